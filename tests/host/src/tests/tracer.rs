// SPDX-License-Identifier: GPL-2.0

mod classic;
mod full;
mod line;
mod settings;
