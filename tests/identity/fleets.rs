//! Gateways that share a store must name operations in the same way. Otherwise the later one does not start.

use std::time::Duration;

use crate::place::{Place, Store, on_every_shared_store};
use crate::process::{Process, Started, pay};

on_every_shared_store!(
    a_gateway_beside_one_with_other_names_refuses,
    of_two_that_start_at_once_with_other_names_one_serves,
    gateways_that_agree_start_together,
    a_serving_gateway_reports_that_another_change_was_accepted,
);

fn charges(lines: &str) -> [(&str, &str, &str); 1] {
    [("create-charge", "/v1/charges", lines)]
}

const OTHER: &str = "scope = [\"authorization\"]";

async fn a_gateway_beside_one_with_other_names_refuses(place: Place) {
    let (_one, address) = place.serve("", &charges("")).await;
    for other in [OTHER, "key = { header = \"x-key\" }", "namespace = \"n\""] {
        place.start("", &charges(other)).await.refusal();
    }
    // A gateway may have a wider route with other names beside the same inner route. With the wider route
    // alone, it does not start.
    let within = [("pay", "/v1/charges", ""), ("all", "/v1/{*rest}", OTHER)];
    let (_within, _) = place.serve("", &within).await;
    place.start("", &[("all", "/v1/{*rest}", OTHER)]).await.refusal();
    assert_eq!(pay(address, "/v1/charges", "k").await.status, 201);
}

/// Each round uses a new store, because the comparison and the write must be one step.
async fn of_two_that_start_at_once_with_other_names_one_serves(place: Place) {
    for round in 0..5 {
        let namespaces = ["a", "b"].map(|name| format!("namespace = \"{name}{round}\""));
        let path = format!("/v1/{round}");
        let starting: Vec<Process> = namespaces
            .iter()
            .enumerate()
            .map(|(number, lines)| {
                let directory = place.path().join(number.to_string());
                std::fs::create_dir_all(&directory).expect("a directory");
                let retired = [("pay", path.as_str(), lines.as_str())];
                Process::with_file(&place.file("", &retired), &directory)
            })
            .collect();
        let (mut serving, mut refused) = (Vec::new(), 0);
        for process in starting {
            match process.started().await {
                Started::Serving(process, _) => serving.push(process),
                ended => {
                    let said = ended.refusal();
                    assert!(said.contains(&format!("POST /v1/{round}#")), "{said}");
                    refused += 1;
                }
            }
        }
        assert_eq!((serving.len(), refused), (1, 1), "round {round}");
        serving.pop().expect("one").stop().await;
        place.forget_names().await;
    }
}

async fn gateways_that_agree_start_together(place: Place) {
    let starting: Vec<Process> = (0..4)
        .map(|number| {
            let directory = place.path().join(number.to_string());
            std::fs::create_dir_all(&directory).expect("a directory");
            Process::with_file(&place.file("", &charges("")), &directory)
        })
        .collect();
    let mut serving = Vec::new();
    for process in starting {
        serving.push(process.started().await.serving());
    }
    for (_, address) in &serving {
        pay(*address, "/v1/charges", "k").await;
    }
    assert_eq!(place.upstream.executions(), 1);
}

/// Short lifetimes make the gateway check its entries soon again.
async fn a_serving_gateway_reports_that_another_change_was_accepted(place: Place) {
    let short = "ttl = \"100ms\"\ntombstone_ttl = \"100ms\"\nlease = \"100ms\"";
    let (mut one, _) = place.serve("", &charges(short)).await;
    let other = format!("{short}\n{OTHER}");
    let refusal = place.start("", &charges(&other)).await.refusal();
    let entry = crate::place::printed(&refusal, "POST /v1/charges");
    let accept = format!("accept_identity_change = [\"{entry}\"]");
    let (_other, _) = place.serve(&accept, &charges(&other)).await;
    let told = tokio::time::timeout(Duration::from_secs(20), one.until("names operations otherwise")).await;
    let told = told.expect("it looks").expect("it serves");
    assert!(told.contains("ERROR") && told.contains("POST /v1/charges#") && !told.contains(&entry), "{told}");
}

/// The gateways continue and make records before the entries exist again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_was_emptied_is_not_taken_for_one_of_an_earlier_release() {
    let place = Place::redis().await;
    let Store::Redis(server) = &place.store else { panic!("it is a Redis") };
    let short = "ttl = \"100ms\"\ntombstone_ttl = \"1s\"\nlease = \"100ms\"";
    for lines in ["", &format!("match = \"exact\"\n{short}")] {
        let (gateway, address) = place.serve("accept_lost = true", &charges(lines)).await;
        server.say::<()>("FLUSHALL");
        while pay(address, "/v1/charges", "k").await.status != 201 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // Records of paths with exact comparison look like those of an earlier release.
        while !lines.is_empty() && server.say::<u64>("EXISTS oncegate:{00}:names") == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let (other, _) = place.serve("accept_lost = true", &charges(lines)).await;
        other.stop().await;
        gateway.stop().await;
        server.say::<()>("FLUSHALL");
    }
}
