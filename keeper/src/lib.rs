//! The Xenon keeper: follows the chain and calls dispatch and advance when there is something to do.
