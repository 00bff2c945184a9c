// SPDX-License-Identifier: GPL-2.0

//! The tests, in files named as what they test.

mod bytes;
mod corpus;
mod packet;
mod strategies;
mod tracer;
