//! Webhooks of GitHub and GitLab: any body is read or refused.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| annals_server::fuzzing::read_webhook(body));
