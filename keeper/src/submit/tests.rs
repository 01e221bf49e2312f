//! The submitter on a chain that does as it is told.
