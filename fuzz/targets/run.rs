//! The format of runs: any bytes are read or refused, and what is written is read back.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|run: (u64, Vec<u8>)| annals_store::fuzzing::read_run(run.0, &run.1));
