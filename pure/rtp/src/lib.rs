//! RTP and RTCP packets, sequence and jitter statistics, telephone events, and voice quality (ITU-T G.107).
