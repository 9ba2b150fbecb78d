//! Which cores share a worker, and how they pass messages to each other until quiet.
