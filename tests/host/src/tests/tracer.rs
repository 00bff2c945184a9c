// SPDX-License-Identifier: GPL-2.0

mod classic;
mod full;
mod limiter;
mod line;
mod report;
mod settings;
