// SPDX-License-Identifier: GPL-2.0

//! The tests, in files named after what they test.

mod bytes;
mod corpus;
mod filter;
mod packet;
mod parameter;
mod strategies;
mod tracer;
