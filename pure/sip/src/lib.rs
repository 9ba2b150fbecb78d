//! SIP as values: messages, transactions, dialogs, legs, digest authentication.
