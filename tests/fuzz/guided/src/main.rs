//! The targets under libFuzzer. `ONCEGATE_FUZZ_TARGET` names one of them, because one program for each target
//! would need as many links.

#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

use targets::Target;

#[path = "../../targets/mod.rs"]
#[expect(unused_imports, reason = "the property tests beside the other driver use more of it")]
mod targets;

static CHOSEN: OnceLock<Target> = OnceLock::new();

fuzz_target!(
    init: {
        let name = std::env::var("ONCEGATE_FUZZ_TARGET").unwrap_or_default();
        let target = targets::ALL.iter().find(|(known, _)| *known == name);
        let (_, target) = target.unwrap_or_else(|| panic!("ONCEGATE_FUZZ_TARGET names no target: {name:?}"));
        CHOSEN.set(*target).expect("chosen once");
    },
    |data: &[u8]| CHOSEN.get().expect("chosen before")(data)
);
