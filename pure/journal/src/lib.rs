//! What survives a death: tagged, checksummed records in a ring of segments.
