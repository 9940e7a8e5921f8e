use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::config::Environment;
use crate::store::RecordedRoute;

const NOW: Timestamp = Timestamp(1_000_000);
const HOUR: Duration = Duration::from_secs(3600);

/// Makes a configuration with these routes, each given as its path and further lines.
fn config(store: &str, routes: &[(&str, &str)]) -> Config {
    let mut text =
        format!("[store]\nurl = \"memory:\"\n{store}\n[upstreams.a]\nurl = \"http://127.0.0.1:9\"\n");
    for (index, (path, lines)) in routes.iter().enumerate() {
        let name = if lines.contains("name = ") { String::new() } else { format!("name = \"r{index}\"\n") };
        text.push_str(&format!(
            "[[routes]]\n{name}path = \"{path}\"\nupstream = \"a\"\nmethods = [\"POST\"]\n{lines}\n"
        ));
    }
    Config::parse(&text, "a test", &Environment::default()).unwrap_or_else(|errors| panic!("{errors}"))
}

fn quick_start() -> Config {
    let environment = Environment::from([("ONCEGATE__STORE__URL", "memory:")]);
    Config::for_upstream("http://127.0.0.1:9", &environment).expect("valid")
}

/// Returns the entries that the store holds after these configurations, each of which was accepted.
fn held_after(configs: &[Config]) -> Vec<Entry> {
    configs.iter().fold(Vec::new(), |known, config| {
        let review = review(config, &known, NOW);
        assert!(review.conflicts.is_empty() && review.lost.is_empty(), "{review:#?}");
        review.entries
    })
}

fn names(review: &Review) -> (Vec<String>, Vec<String>) {
    let conflicts = review.conflicts.iter().flat_map(|conflict| &conflict.names).map(ToString::to_string);
    let lost = review.lost.iter().map(|entry| entry.name().to_string());
    (conflicts.collect(), lost.collect())
}

/// Returns the names, without digits, of the entries that keep `then` from starting after `before` served.
fn refused(before: &[Config], then: &Config) -> (Vec<String>, Vec<String>) {
    let (conflicts, lost) = names(&review(then, &held_after(before), NOW));
    let bare = |names: Vec<String>| {
        names.into_iter().map(|name| name.split('#').next().unwrap_or_default().to_owned()).collect()
    };
    (bare(conflicts), bare(lost))
}

fn fine() -> (Vec<String>, Vec<String>) {
    Default::default()
}

const OTHER: &str = "scope = [\"authorization\"]";

#[test]
fn the_naming_of_operations_may_not_change() {
    let before = [config("", &[("/v1/charges", "")])];
    for changed in [
        OTHER,
        "scope = [\"x-api-key\", \"authorization\", \"api-key\", \"stripe-account\", { path = true }]",
        "namespace = \"payments\"",
        "key = { header = \"X-Key\" }",
    ] {
        let refused = refused(&before, &config("", &[("/v1/charges", changed)]));
        assert_eq!(refused, (vec!["POST /v1/charges".into()], vec![]), "{changed}");
    }
    for same in [
        "name = \"renamed\"",
        "ttl = \"1h\"",
        "anonymous = \"one\"",
        "match = \"exact\"",
        "fingerprint = { body = \"json\" }",
        "key = { header = \"idempotency-key\", required = true }",
    ] {
        assert_eq!(refused(&before, &config("", &[("/v1/charges", same)])), fine(), "{same}");
    }
}

#[test]
fn a_pattern_is_the_same_however_it_is_spelled() {
    let before = [config("", &[("/v1/{id}/Charges", "")])];
    let spelled = |lines| config("", &[("/V1/{charge}/charges/", lines)]);
    assert_eq!(refused(&before, &spelled("")), fine());
    assert_eq!(refused(&before, &spelled(OTHER)).0, ["POST /v1/{id}/Charges"]);
    let exact = [config("", &[("/V1/Charges", "match = \"exact\"")])];
    assert_eq!(refused(&exact, &config("", &[("/v1/charges", "")])), fine());
    assert_eq!(refused(&exact, &config("", &[("/v1/charges", OTHER)])).0, ["POST /V1/Charges"]);
}

#[test]
fn a_more_exact_route_takes_paths_over_and_so_does_a_wider_one() {
    let rest = || config("", &[("/{*rest}", "")]);
    let charges = |lines| config("", &[("/v1/charges", lines)]);
    assert_eq!(refused(&[rest()], &charges("")), fine());
    assert_eq!(refused(&[rest()], &charges(OTHER)).0, ["POST /{*rest}"]);
    assert_eq!(
        refused(&[rest()], &config("", &[("/{*rest}", ""), ("/v1/charges", OTHER)])).0,
        ["POST /{*rest}"]
    );
    assert_eq!(refused(&[charges("")], &rest()), fine());
    assert_eq!(refused(&[charges(OTHER)], &rest()).0, ["POST /v1/charges"]);
    assert_eq!(refused(&[charges(OTHER)], &config("", &[("/v1/{*rest}", "")])).0, ["POST /v1/charges"]);
    // The parameter wins over the rest, for any identity of the rest.
    let both = config("", &[("/v1/{id}", OTHER), ("/{*rest}", "")]);
    assert_eq!(refused(&[charges(OTHER)], &both), fine());
    assert_eq!(refused(&[charges("")], &both).0, ["POST /v1/charges"]);
}

#[test]
fn routes_of_one_configuration_may_differ() {
    let both = || config("", &[("/{*rest}", ""), ("/v1/charges", OTHER)]);
    assert_eq!(refused(&[both()], &both()), fine());
    // The wide route is gone, and the narrow route is unchanged.
    let (conflicts, lost) = refused(&[both()], &config("", &[("/v1/charges", OTHER)]));
    assert_eq!((conflicts, lost), fine());
    assert_eq!(refused(&[both()], &config("", &[("/{*rest}", "")])).0, ["POST /v1/charges"]);
}

#[test]
fn a_change_is_accepted_by_the_name_that_was_printed_and_nothing_later_is() {
    let (first, second, third) = ("", OTHER, "scope = [\"x-tenant\"]");
    let charges = |store: &str, lines| config(store, &[("/v1/charges", lines)]);
    let before = charges("", first);
    let (printed, _) = names(&review(&charges("", second), &held_after(std::slice::from_ref(&before)), NOW));
    let accept = format!("accept_identity_change = {printed:?}");
    let accepted = charges(&accept, second);
    let held = held_after(&[before.clone(), accepted.clone()]);
    assert_eq!(held.len(), 2, "both stand");
    assert_eq!(names(&review(&accepted, &held, NOW)), fine());
    // The store remembers the acceptance, even without the line.
    assert_eq!(names(&review(&charges("", second), &held, NOW)), fine());
    // A third identity is another change, and the way back is another change too.
    for next in [third, first] {
        let (conflicts, _) = names(&review(&charges(&accept, next), &held, NOW));
        assert_eq!(conflicts.len(), 1, "{conflicts:?}");
        assert!(!conflicts.contains(&printed[0]), "{conflicts:?}");
    }
    let wrong = charges("accept_identity_change = [\"POST /v1/charges#000000\"]", second);
    assert_eq!(names(&review(&wrong, &held_after(&[before]), NOW)).0, printed);
}

/// A file may keep the line of a change that was accepted long ago. The same entry may lose more paths later.
#[test]
fn an_acceptance_that_was_left_in_a_file_accepts_no_other_route() {
    let routes = |store: &str, paths: &[&str]| {
        let exact = paths.iter().map(|path| (*path, OTHER));
        config(store, &[("/v1/{*rest}", "")].into_iter().chain(exact).collect::<Vec<_>>())
    };
    let accept = |names: &[String]| format!("accept_identity_change = {names:?}");
    let before = routes("", &[]);
    let first = ["/v1/charges"];
    let (printed, _) = names(&review(&routes("", &first), &held_after(std::slice::from_ref(&before)), NOW));
    let held = held_after(&[before, routes(&accept(&printed), &first)]);
    let both = ["/v1/charges", "/v1/refunds"];
    let (conflicts, _) = names(&review(&routes(&accept(&printed), &both), &held, NOW));
    assert_eq!(conflicts.len(), 1, "{conflicts:?}");
    assert!(conflicts[0].starts_with("POST /v1/refunds#"), "{conflicts:?}");
    assert_eq!(names(&review(&routes(&accept(&conflicts), &both), &held, NOW)), fine());
}

#[test]
fn an_entry_without_a_route_is_lost_until_it_is_retired() {
    let before = [config("", &[("/v1/charges", ""), ("/v1/refunds", "")])];
    let after = |store: &str| config(store, &[("/v1/charges", "")]);
    let (_, lost) = names(&review(&after(""), &held_after(&before), NOW));
    assert_eq!(lost.len(), 1);
    assert!(lost[0].starts_with("POST /v1/refunds#"), "{lost:?}");
    // The other setting does not help.
    let wrong = after(&format!("accept_identity_change = {lost:?}"));
    assert_eq!(names(&review(&wrong, &held_after(&before), NOW)).1, lost);
    let retired = after(&format!("retired = {lost:?}"));
    let held = held_after(&[before[0].clone(), retired]);
    assert_eq!(names(&review(&after(""), &held, NOW)), fine());
    // The route may come back with its old identity, and not with another one.
    let back = |lines| config("", &[("/v1/charges", ""), ("/v1/refunds", lines)]);
    assert_eq!(names(&review(&back(""), &held, NOW)), fine());
    assert_eq!(names(&review(&back(OTHER), &held, NOW)).0, lost);
}

#[test]
fn paths_of_the_quick_start_need_no_route_but_keep_their_names() {
    let charges = |lines: &str| {
        let fallback = "[fallback]\nupstream = \"a\"\n";
        config(&format!("{fallback}[log]"), &[("/v1/charges", lines)])
    };
    let known = held_after(&[quick_start()]);
    let review = super::review(&charges(""), &known, NOW);
    assert_eq!(names(&review), fine());
    assert!(review.unprotected.iter().any(|name| name.to_string().starts_with("POST /{*rest}#")));
    assert_eq!(refused(&[quick_start()], &charges(OTHER)).0, ["POST /{*rest}"]);
    // Once a file had that route, the route counts like any other.
    let filed = config("", &[("/{*rest}", ""), ("/", "")]);
    let (_, lost) = refused(&[quick_start(), filed], &config("", &[("/", "")]));
    assert_eq!(lost, ["POST /{*rest}"]);
}

#[test]
fn an_entry_ends_when_no_record_of_it_can_be_left() {
    let before = config("", &[("/v1/charges", "")]);
    let held = held_after(std::slice::from_ref(&before));
    let changed = config("", &[("/v1/charges", OTHER)]);
    let last = Timestamp(held[0].until.0 - 1);
    assert!(held[0].until >= NOW.plus(before.routes[0].policy.longest_life()));
    assert_eq!(review(&changed, &held, last).conflicts.len(), 1);
    let review = review(&changed, &held, held[0].until);
    assert!(review.conflicts.is_empty() && review.entries.len() == 1);
}

#[test]
fn a_gateway_that_serves_keeps_its_entries_alive_and_seldom_writes() {
    let config = config("", &[("/v1/charges", "")]);
    let held = held_after(std::slice::from_ref(&config));
    let look = refresh_interval(&config);
    let soon = review(&config, &held, NOW.plus(look / 2)).entries;
    assert_eq!(soon, held, "nothing to write");
    let later = review(&config, &held, NOW.plus(look)).entries;
    assert!(later[0].until >= held[0].until.plus(look), "{later:?}");
    // Between two looks, a record is never older than its entry.
    assert!(soon[0].until >= NOW.plus(look / 2).plus(look).plus(held[0].life));
}

#[test]
fn gateways_that_differ_in_times_or_spelling_do_not_write_against_each_other() {
    let one = config("", &[("/v1/{id}", "")]);
    let other = config("", &[("/V1/{charge}", "ttl = \"1h\"")]);
    let held = held_after(&[one.clone(), other.clone()]);
    for config in [&one, &other] {
        assert_eq!(review(config, &held, NOW.plus(Duration::from_secs(10))).entries, held);
    }
}

#[test]
fn a_longer_life_is_not_forgotten() {
    let long = held_after(&[config("", &[("/v1/charges", "ttl = \"90d\"")])]);
    let short = config("", &[("/v1/charges", "ttl = \"1h\"\ntombstone_ttl = \"1h\"")]);
    let after = review(&short, &long, NOW.plus(HOUR)).entries;
    assert_eq!((after.len(), after[0].until), (1, long[0].until));
}

#[test]
fn executions_that_were_cut_off_prolong_their_entries() {
    let held = held_after(&[config("", &[("/v1/charges", "namespace = \"a\""), ("/v1/refunds", "")])]);
    let late = held[0].until.plus(HOUR);
    let prolonged = prolonged(&held, late, |namespace| namespace == "a");
    assert_eq!(prolonged[0].until, late.plus(held[0].life));
    assert_eq!(prolonged[1], held[1]);
}

fn recorded(pairs: &[(&str, &str)]) -> BTreeSet<RecordedRoute> {
    let recorded = |(route, namespace): &(&str, &str)| RecordedRoute {
        route: (*route).to_owned(),
        namespace: (*namespace).to_owned(),
    };
    pairs.iter().map(recorded).collect()
}

#[test]
fn an_earlier_release_counts_as_having_had_its_defaults() {
    let refused = |config: &Config, pairs: &[(&str, &str)]| {
        let review = review(config, &earlier(config, &recorded(pairs), NOW), NOW);
        review.refusal(config, true).map(|refusal| refusal.to_string())
    };
    let named = |lines: &str| config("", &[("/v1/charges", &format!("name = \"create-charge\"\n{lines}"))]);
    let own = [("create-charge", "create-charge")];
    let text = refused(&named(""), &own).expect("a refusal");
    for line in [
        "namespace = \"create-charge\"",
        "scope = [\"authorization\"]",
        "accept_identity_change = [\"POST /v1/charges#",
    ] {
        assert!(text.contains(line), "{text}");
    }
    assert!(!text.contains("\n    key ="), "{text}");
    let kept = "namespace = \"create-charge\"\nscope = [\"authorization\"]";
    assert_eq!(refused(&named(kept), &own), None);
    // A route without visible records counts as well.
    let both =
        config("", &[("/v1/charges", &format!("name = \"create-charge\"\n{kept}")), ("/v1/refunds", "")]);
    assert!(refused(&both, &own).is_some_and(|text| text.contains("POST /v1/refunds#")));
    // The file of the earlier release named another namespace.
    let text = refused(&named(""), &[("create-charge", "money")]).expect("a refusal");
    assert!(text.contains("namespace = \"money\""), "{text}");
    // The records are those of the earlier release's quick start: its namespace is today's default.
    assert_eq!(refused(&named(OTHER), &[("default", "default")]), None);
    assert!(refused(&named(""), &[("default", "default")]).is_some());
}

#[test]
fn a_refusal_names_both_identities_and_both_ways_on() {
    let before = held_after(&[config("", &[("/v1/charges", ""), ("/v1/refunds", "")])]);
    let after = config("", &[("/v1/charges", "namespace = \"pay\"\nkey = { header = \"x-key\" }")]);
    let text = review(&after, &before, NOW).refusal(&after, false).expect("a refusal").to_string();
    let digits = before[0].identity.digits();
    for part in [
        format!("POST /v1/charges#{digits}\n"),
        "in the store:  namespace = \"default\", scope = [\"authorization\", ".into(),
        "now:           namespace = \"pay\"".into(),
        "    namespace = \"default\"\n    key = { header = \"idempotency-key\" }\n".into(),
        format!("accept_identity_change = [\"POST /v1/charges#{digits}\"]"),
        format!("retired = [\"POST /v1/refunds#{digits}\"]"),
        "while none serves".into(),
    ] {
        assert!(text.contains(&part), "{part:?} is not in {text}");
    }
}

/// Returns the names, without digits, of the entries for which a reload from `current` to `new` is refused:
/// those with other names, and those that the fallback would get.
fn refused_reload(current: &Config, new: &Config, known: &[Entry]) -> (Vec<String>, Vec<String>) {
    let (review, refusal) = review_change(current, new, known, NOW);
    let (mut renamed, lost) = names(&review);
    renamed.extend(lost);
    let exposed = refusal.iter().flat_map(|refusal| &refusal.exposed).map(|entry| entry.name().to_string());
    let bare = |name: String| name.split('#').next().unwrap_or_default().to_owned();
    let told = (renamed.into_iter().map(bare).collect::<Vec<_>>(), exposed.map(bare).collect::<Vec<_>>());
    assert_eq!(refusal.is_some(), told != fine(), "{refusal:?}");
    told
}

const PASSING: &str = "[fallback]\nupstream = \"a\"\n[log]";
const REFUSING: &str = "[fallback]\nupstream = \"a\"\nkeyed = \"refuse\"\n[log]";

#[test]
fn a_reload_accepts_nothing_but_what_the_store_holds() {
    let before = config("", &[("/v1/charges", ""), ("/v1/refunds", "")]);
    let held = held_after(std::slice::from_ref(&before));
    let after = |store: &str, lines| config(store, &[("/v1/charges", lines)]);
    let (renamed, lost) = names(&review(&after("", OTHER), &held, NOW));
    let lists = format!("accept_identity_change = {renamed:?}\nretired = {lost:?}");
    // The same lists let a start go on.
    assert_eq!(names(&review(&after(&lists, OTHER), &held, NOW)), fine());
    let current = Config { store: after(&lists, "").store, ..before.clone() };
    let told = refused_reload(&current, &after(&lists, OTHER), &held);
    assert_eq!(told.0, ["POST /v1/charges", "POST /v1/refunds"]);
    // Neither does it help that the store has lost its entries.
    let told = refused_reload(&current, &after(&lists, OTHER), &[]);
    assert_eq!(told.0, ["POST /v1/charges", "POST /v1/refunds"]);
    // After such a start, the store holds what was accepted.
    let accepted = after(&lists, OTHER);
    let held = held_after(&[before, accepted.clone()]);
    for store in ["", &lists] {
        assert_eq!(refused_reload(&accepted, &after(store, OTHER), &held), (vec![], vec![]), "{store}");
    }
    for lines in ["", "namespace = \"x\""] {
        assert!(!refused_reload(&accepted, &after(&lists, lines), &held).0.is_empty(), "{lines}");
    }
}

#[test]
fn a_reload_leaves_no_path_to_a_fallback_that_takes_keys() {
    let of = |store: &str, path: &str, lines: &str| config(store, &[(path, lines)]);
    let exact = "match = \"exact\"";
    for (before, after) in [
        (("/v1/{*rest}", ""), ("/v1/charges", "")),
        (("/v1/{id}", ""), ("/v1/charges", "")),
        (("/v1/charges", ""), ("/v1/charges", exact)),
        (("/v1/{id}", ""), ("/v1/{id}", exact)),
        (("/V1/charges", exact), ("/v1/charges", exact)),
        (("/v1/{*rest}", exact), ("/v1/{id}", exact)),
    ] {
        let held = |store: &str| held_after(&[of(store, before.0, before.1)]);
        let reload = |current: &str, new: &str| {
            let (one, two) = (of(current, before.0, before.1), of(new, after.0, after.1));
            refused_reload(&one, &two, &held(current)).1.len()
        };
        assert_eq!(reload(PASSING, PASSING), 1, "{before:?} to {after:?}");
        assert_eq!(reload("", PASSING), 1, "{before:?} to {after:?}, with a new fallback");
        assert_eq!(reload(REFUSING, PASSING), 1, "{before:?} to {after:?}");
        for (current, new) in [(PASSING, REFUSING), (PASSING, ""), ("", "")] {
            assert_eq!(reload(current, new), 0, "{before:?} to {after:?}: retries are refused");
        }
        // A start takes it, with a warning. Then a reload has nothing to add.
        let started = of(PASSING, after.0, after.1);
        let review = review(&started, &held(PASSING), NOW);
        assert_eq!((names(&review), review.unprotected.len()), (fine(), 1), "{before:?} to {after:?}");
        let later = of(PASSING, after.0, &format!("{}\nttl = \"1h\"", after.1));
        assert_eq!(refused_reload(&started, &later, &review.entries).1, [""; 0]);
        // Without a passing fallback the paths were refused, and a later reload must not let them pass.
        let started = of("", after.0, after.1);
        let entries = super::review(&started, &held(""), NOW).entries;
        assert_eq!(refused_reload(&started, &of(PASSING, after.0, after.1), &entries).1.len(), 1);
    }
    for (before, after) in [
        (("/v1/charges", ""), ("/v1/{*rest}", "")),
        (("/v1/charges", exact), ("/v1/charges", "")),
        (("/v1/charges", exact), ("/v1/charges", exact)),
        (("/v1/Charges", exact), ("/v1/{id}", exact)),
        (("/{*rest}", ""), ("/{*all}", exact)),
    ] {
        let (one, two) = (of(PASSING, before.0, before.1), of(PASSING, after.0, after.1));
        let told = refused_reload(&one, &two, &held_after(std::slice::from_ref(&one)));
        assert_eq!(told, (vec![], vec![]), "{before:?} to {after:?}");
    }
}

/// A start warns alike, because the entries say how their routes compared.
#[test]
fn spellings_that_a_route_no_longer_covers_are_told_at_a_start() {
    let of = |lines: &str| config(PASSING, &[("/v1/charges", lines)]);
    let told = |before: &str, after: &str| {
        let review = review(&of(after), &held_after(&[of(before)]), NOW);
        assert_eq!(names(&review), fine());
        review.unprotected.len()
    };
    let exact = "match = \"exact\"";
    assert_eq!((told("", exact), told("", ""), told(exact, ""), told(exact, exact)), (1, 0, 0, 0));
}

/// Other spellings belonged to the wider route until then.
#[test]
fn a_route_that_takes_more_spellings_over_renames_them() {
    let of = |lines: &str| config("", &[("/v1/{*rest}", ""), ("/v1/charges", &format!("{OTHER}\n{lines}"))]);
    let exact = of("match = \"exact\"");
    assert_eq!(refused(std::slice::from_ref(&exact), &exact), fine(), "no change");
    assert_eq!(refused(&[exact], &of("")).0, ["POST /v1/{*rest}"]);
    assert_eq!(refused(&[of("")], &of("")), fine());
}

#[test]
fn an_entry_knows_the_longest_ttl_until_its_last_response_is_gone() {
    let of = |ttl: &str| config("", &[("/v1/charges", &format!("ttl = \"{ttl}\""))]);
    let (long, short) = (of("48h"), of("1h"));
    let held = held_after(std::slice::from_ref(&long));
    let (ttl, until) = held[0].longest_ttl;
    assert_eq!(ttl, 48 * HOUR);
    assert!(until >= NOW.plus(48 * HOUR).plus(long.routes[0].policy.response_timeout));
    let last = Timestamp(until.0 - 1);
    assert_eq!(review(&short, &held, last).entries[0].longest_ttl, (ttl, until));
    assert_eq!(review(&short, &held, until).entries[0].longest_ttl.0, HOUR);
    // A gateway that serves with it keeps it alive, and a longer one counts at once.
    let kept = review(&long, &held, NOW.plus(HOUR)).entries;
    assert!(kept[0].longest_ttl.1 >= NOW.plus(48 * HOUR).plus(HOUR), "{kept:?}");
    assert_eq!(review(&of("72h"), &held, NOW).entries[0].longest_ttl.0, 72 * HOUR);
}

#[test]
fn an_entry_knows_the_largest_request() {
    let of = |limit: &str| {
        let mut config = config("", &[("/v1/charges", "")]);
        config.server.request_body_limit = limit.parse().expect("a number");
        config
    };
    let held = held_after(&[of("5000"), of("100")]);
    assert_eq!(held[0].largest_request, 5000);
    assert_eq!(review(&of("6000"), &held, NOW).entries[0].largest_request, 6000);
}

/// An older gateway loses what says how a route compares.
#[test]
fn entries_that_became_the_same_are_one() {
    let of = |lines: &str| config("", &[("/v1/charges", lines)]);
    let mut held = held_after(&[of("match = \"exact\""), of("")]);
    assert_eq!(held.len(), 2);
    held[0].pattern = held[1].pattern.clone();
    held[0].until = held[0].until.plus(HOUR);
    let merged = review(&of(""), &held, NOW).entries;
    assert_eq!((merged.len(), merged[0].until), (1, held[0].until));
}
