//! Reaching nodes.
