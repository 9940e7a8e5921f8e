//! Every policy for unknown outcomes, explored under the condition of its promise.

use oncegate::protocol::OnUnknown;

use crate::{Protocol, TICK, properties};

fn under(on_unknown: OnUnknown, model: Protocol) -> Protocol {
    let mut model = model;
    model.policy.on_unknown = on_unknown;
    model.claim.policy.on_unknown = on_unknown;
    model
}

fn marked(model: Protocol, wipes: u8) -> Protocol {
    let mut model =
        Protocol { properties: properties::guarded_by_upstream, ..under(OnUnknown::Marker, model) };
    model.start.table.wipes = wipes;
    model
}

#[test]
fn measure() {
    let quiet = |model| Protocol { loses_writes: false, ..model };
    let timed = |name: &str, model: Protocol| {
        let start = std::time::Instant::now();
        println!("{name}: {:?} {:?}", model.explore(), start.elapsed());
    };
    timed("hold 2,0,0", Protocol::new(2, 0, 0));
    timed("marker 2,0,0 quiet", quiet(marked(Protocol::new(2, 0, 0), 0)));
    timed("marker 2,0,0 quiet wipe", quiet(marked(Protocol::new(2, 0, 0), 1)));
    timed("marker 2,0,1 quiet", quiet(marked(Protocol::new(2, 0, 1), 0)));
    timed("marker 2,0,0", marked(Protocol::new(2, 0, 0), 0));
    timed("probe 2,0,0", under(OnUnknown::Probe, Protocol::new(2, 0, 0)));
    timed(
        "retry 2,0,0",
        Protocol {
            properties: properties::without_one_effect,
            ..under(OnUnknown::Retry { window: None }, Protocol::new(2, 0, 0))
        },
    );
    let _ = TICK;
}
