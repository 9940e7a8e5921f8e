//! A certificate that clients present is part of every scope, whether or not the scope names it.

use crate::harness::tls::Authority;
use crate::place::{Place, printed};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asking_clients_for_certificates_is_a_change_and_so_is_the_way_back() {
    let (place, authority) = (Place::embedded().await, Authority::new());
    let charges = |lines| [("create-charge", "/v1/charges", lines)];
    place.serve("", &charges("")).await.0.stop().await;
    let tls = format!(
        "tls = {{ {}, client_ca = \"{}\" }}\n",
        authority.certify("server").keys(),
        authority.ca.display()
    );
    let with_tls = |store: &str, lines| {
        let text = place.file(store, &charges(lines)).replace("[server]\n", &format!("[server]\n{tls}"));
        crate::process::Process::with_file(&text, place.path()).started()
    };
    let refusal = with_tls("", "").await.refusal();
    let entry = printed(&refusal, "POST /v1/charges");
    assert!(refusal.contains("{ client_certificate = \"issuer-subject\" }]"), "{refusal}");
    assert!(refusal.contains("cannot be kept while [server] tls has client_ca"), "{refusal}");
    with_tls(&format!("accept_identity_change = [\"{entry}\"]"), "").await.serving().0.stop().await;
    // Naming the certificate at its own place gives the same scope.
    let scope = "scope = [\"authorization\", \"x-api-key\", \"api-key\", \"stripe-account\", { path = true }, \
                 { client_certificate = \"issuer-subject\" }]";
    with_tls("", scope).await.serving().0.stop().await;
    let refusal = place.start("", &charges("")).await.refusal();
    assert!(refusal.contains("which needs client_ca in [server] tls, as before"), "{refusal}");
}
