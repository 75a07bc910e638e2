//! Sequential specifications of the usual objects.
