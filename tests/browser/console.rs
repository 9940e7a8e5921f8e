//! The console against a real gateway with real unknown outcomes, by keyboard, in each size and colour.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::clients::drive;
use crate::harness::{Gateway, Settings, Upstream, request};

/// A label that would change the page if it were not written as text.
const HOSTILE: &str = "<img src=x onerror=document.title='owned'>";

const ROUTE: &str = "label = [\"header:x-order\", \"json:/customer\"]";

/// Starts an upstream that answers 503 to each path that ends in `lost`, so that the outcome is unknown.
pub async fn upstream() -> Arc<Upstream> {
    Upstream::answering(|seen| {
        let status = if seen.path.ends_with("lost") { 503 } else { 201 };
        let response = Response::builder().status(status).header("content-type", "text/html");
        response.body(Full::from(Bytes::from("<script>document.title='owned'</script>"))).expect("a response")
    })
    .await
}

async fn pay(gateway: &Gateway, path: &str, key: &str, order: &str) {
    let headers = [("idempotency-key", key), ("x-order", order), ("content-type", "application/json")];
    let body = br#"{"customer":"cus_7"}"#;
    request(gateway.address, "POST", path, &headers, body).await;
}

/// Starts a gateway that holds three unknown outcomes, one response and its replay.
pub async fn gateway(upstream: &Upstream, settings: Settings) -> Gateway {
    let gateway = Gateway::start(upstream, Settings { route: ROUTE.into(), ..settings }).await;
    pay(&gateway, "/v1/charges/lost", "lost-1", HOSTILE).await;
    pay(&gateway, "/v1/charges/lost", "lost-2", "A-2").await;
    pay(&gateway, "/v1/charges/lost", "lost-3", "A-3").await;
    pay(&gateway, "/v1/charges", "paid", "A-4").await;
    pay(&gateway, "/v1/charges", "paid", "A-4").await;
    gateway
}

/// Takes steps in the console. `$` finds an element, `text` waits until it has a text, and `shot` takes a
/// screenshot of the whole page. The page must have done nothing wrong at the end.
pub async fn console(gateway: &Gateway, options: Value, steps: &str) -> Value {
    let shots = Path::new(env!("CARGO_TARGET_TMPDIR")).display().to_string();
    let steps = format!(
        "const shots = {};
        const $ = (selector) => page.locator(selector);
        const text = (selector, part) => page.waitForFunction(([selector, part]) =>
            document.querySelector(selector)?.textContent.includes(part), [selector, part]);
        const shot = (name, fullPage = true) => page.screenshot({{ path: `${{shots}}/console-${{name}}.png`, fullPage }});
        const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.getAttribute('aria-label') || document.activeElement.textContent);
        const tabTo = async (wanted) => {{
            for (let presses = 0; presses < 120; presses += 1) {{
                if (await page.evaluate((wanted) => document.activeElement.matches(wanted), wanted)) return;
                await page.keyboard.press('Tab');
            }}
            throw new Error(`no Tab leads to ${{wanted}}`);
        }};
        const result = await (async () => {{ {steps} }})();
        if (wrong.length > 0) throw new Error(wrong.join('; '));
        return result;",
        json!(shots)
    );
    drive(&format!("http://{}/console", gateway.admin), options, &steps).await
}

pub fn desktop() -> Value {
    json!({ "viewport": { "width": 1280, "height": 900 }, "colorScheme": "light" })
}

async fn state_of(gateway: &Gateway, id: &str) -> Value {
    gateway.admin_get(&format!("/v1/records/{id}")).await.json()
}

#[tokio::test]
async fn the_first_glance_says_what_waits_and_hostile_labels_are_text() {
    let upstream = upstream().await;
    let gateway = gateway(&upstream, Settings::default()).await;
    let seen = console(
        &gateway,
        desktop(),
        "await text('#verdict', '3 payments have an unknown outcome');
        await page.waitForFunction(() => document.querySelectorAll('#unknowns tbody tr').length === 3);
        const title = await page.title();
        const rows = await $('#unknowns tbody tr').allInnerTexts();
        const images = await $('main img, main script').count();
        await page.goto(`${page.url().split('#')[0]}#tail`);
        return { title, rows, images, figures: await $('#figures').innerText(), status: await $('#status').getAttribute('class') };",
    )
    .await;
    assert_eq!(
        (&seen["title"], &seen["images"], &seen["status"]),
        (&json!("(3) Oncegate"), &json!(0), &json!("bad"))
    );
    let rows: Vec<_> = seen["rows"].as_array().expect("rows").iter().filter_map(Value::as_str).collect();
    assert!(rows[0].contains(HOSTILE) && rows[0].contains("cus_7"), "the oldest first: {rows:?}");
    assert!(rows[1].contains("A-2") && rows[2].contains("A-3"), "{rows:?}");
    assert!(
        rows[0].contains("the upstream answered 503") && rows[0].contains("a person decides"),
        "{rows:?}"
    );
    let figures = seen["figures"].as_str().expect("text");
    let shown = [
        "Unknown now\n3",
        "New in the last hour\n3",
        "Executions in flight\n0",
        "Replays a second",
        "Added, p99 (",
    ];
    for name in shown {
        assert!(figures.contains(name), "{name} in {figures}");
    }
}

#[tokio::test]
async fn a_record_is_found_decided_and_reopened_by_keyboard_alone() {
    let upstream = upstream().await;
    let gateway = gateway(&upstream, Settings::default()).await;
    let id = console(
        &gateway,
        desktop(),
        "await text('#verdict', '3 payments');
        await page.waitForSelector('#unknowns tbody tr:nth-child(2) a');
        await tabTo('#unknowns tbody tr:nth-child(2) a');
        await page.keyboard.press('Enter');
        await text('#record-body', 'From the first attempt to now');
        await text('.timeline', 'the upstream answered 503');
        const id = await $('#record-body .facts .id').innerText();
        await tabTo('input[name=one-executed]');
        await page.keyboard.press('ArrowDown');
        await tabTo('#one-force');
        await page.keyboard.press('Space');
        await tabTo('#one-note');
        await page.keyboard.type('not in the ledger <b>');
        await tabTo('#one-submit');
        await page.keyboard.press('Enter');
        await text('#confirm-claim', 'You say that this payment was NOT made: the next attempt will run it');
        await text('#confirm-claim', 'it may happen twice');
        await shot('confirm');
        // The first button leads back, and so does Escape: nothing is recorded.
        await page.keyboard.press('Escape');
        await page.waitForFunction(() => !document.querySelector('#confirm').open);
        if (await $('#told').count()) throw new Error('recorded without a yes');
        await tabTo('#one-submit');
        await page.keyboard.press('Enter');
        await tabTo('#confirm-yes');
        await page.keyboard.press('Enter');
        await text('#told', 'Recorded in the store');
        await text('.timeline', 'not in the ledger <b>');
        await text('.state', 'cleared');
        await text('#verdict', '2 payments');
        await shot('decided');
        await tabTo('#one-note');
        await page.keyboard.type('wrong ledger');
        await tabTo('#one-submit');
        await page.keyboard.press('Enter');
        await text('#told', 'Taken back');
        await text('.state', 'unknown');
        await text('.timeline', 'wrong ledger');
        await text('#verdict', '3 payments');
        return id;",
    )
    .await;
    let record = state_of(&gateway, id.as_str().expect("an id")).await;
    let history = record["history"].as_array().expect("a history");
    let notes: Vec<_> = history.iter().map(|entry| (&entry["event"], &entry["note"])).collect();
    assert_eq!(record["state"], "unknown", "{record}");
    assert!(notes.contains(&(&json!("resolved"), &json!("not in the ledger <b>"))), "{notes:?}");
    assert!(notes.contains(&(&json!("reopened"), &json!("wrong ledger"))), "{notes:?}");
}

#[tokio::test]
async fn several_are_filtered_chosen_and_decided_and_refusals_are_named() {
    let upstream = upstream().await;
    let gateway = gateway(&upstream, Settings::default()).await;
    let seen = console(
        &gateway,
        desktop(),
        "await text('#verdict', '3 payments');
        await page.waitForSelector('#unknowns tbody tr');
        await $('#filter-label').fill('A-3');
        await page.keyboard.press('Enter');
        await page.waitForFunction(() => document.querySelectorAll('#unknowns tbody tr').length === 1);
        await $('#filter-label').fill('none such');
        await page.keyboard.press('Enter');
        await text('#unknown-empty', 'No unknown outcome fits');
        await $('#filter-label').fill('');
        await page.keyboard.press('Enter');
        await page.waitForFunction(() => document.querySelectorAll('#unknowns tbody tr').length === 3);
        await $('#filter-reason').selectOption('status 503');
        await tabTo('#choose-all');
        await page.keyboard.press('Space');
        await text('#decide-chosen', '(3)');
        await tabTo('#decide-chosen');
        await page.keyboard.press('Enter');
        await tabTo('input[name=many-executed]');
        await page.keyboard.press('ArrowDown');
        await $('#many-note').fill('not forced, so too early');
        await shot('many');
        await page.keyboard.press('Tab');
        await tabTo('#many-form button[type=submit]');
        await page.keyboard.press('Enter');
        await text('#confirm-claim', 'these 3 payments were NOT made');
        await tabTo('#confirm-yes');
        await page.keyboard.press('Enter');
        await text('#many-body', '0 of 3 recorded in the store, 3 refused');
        await text('#many-body .refused', 'may still be under way');
        // Chromium names each refusal, too.
        if (!wrong.splice(0).every((line) => line.includes('409'))) throw new Error('refused for another reason');
        await page.keyboard.press('Enter');
        await $('#decide-chosen').click();
        await $('input[name=many-executed][value=yes]').check();
        await $('#many-note').fill('seen in the ledger');
        await $('#many-form button[type=submit]').click();
        await $('#confirm-yes').click();
        await text('#many-body', '3 of 3 recorded in the store.');
        await page.keyboard.press('Enter');
        await text('#verdict', 'Nothing waits for a person');
        await text('#unknown-empty', 'No unknown outcome fits');
        return { title: await page.title(), status: await $('#status').getAttribute('class') };",
    )
    .await;
    assert_eq!(seen, json!({ "title": "Oncegate", "status": "good" }));
    assert_eq!(gateway.records("settled").await.len(), 3);
}

#[tokio::test]
async fn the_tail_follows_pauses_and_leads_to_the_record_and_charts_and_configuration_are_shown() {
    let upstream = upstream().await;
    let gateway = gateway(&upstream, Settings::default()).await;
    let address = gateway.address;
    let traffic = tokio::spawn(async move {
        for number in 0.. {
            let (path, key) = ("/v1/charges", format!("tail-{}", number / 2));
            let headers = [("idempotency-key", &*key), ("x-order", &*format!("T-{}", number / 2))];
            request(address, "POST", path, &headers, b"{}").await;
            tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        }
    });
    let seen = console(
        &gateway,
        desktop(),
        "await page.waitForSelector('#lines tbody tr');
        await text('#lines', 'replayed');
        await $('#tail-outcome').selectOption('replayed');
        await page.waitForFunction(() => [...document.querySelectorAll('#lines tbody td:nth-child(4)')].every((cell) => cell.textContent === 'replayed'));
        await $('#tail-outcome').selectOption('');
        await $('#tail-label').fill('t-1');
        await page.waitForFunction(() => [...document.querySelectorAll('#lines tbody tr')].every((row) => row.textContent.includes('T-1')));
        await $('#tail-label').fill('');
        await tabTo('#pause');
        await page.keyboard.press('Enter');
        const before = await $('#lines tbody tr').count();
        await page.waitForFunction(() => /Paused, [1-9]\\d* new/.test(document.querySelector('#tail-state').textContent));
        const after = await $('#lines tbody tr').count();
        await page.keyboard.press('Enter');
        const id = await $('#lines tbody tr:first-child a').getAttribute('title');
        await tabTo('#lines tbody tr a');
        await page.keyboard.press('Enter');
        await text('.timeline', 'was told');
        await page.locator('#record-body button', { hasText: 'stored response' }).click();
        await text('#record-body pre', '<script>');
        await page.waitForSelector('#chart-traffic canvas');
        await page.waitForSelector('#chart-latency canvas');
        await $('#chart-traffic summary').click();
        await page.waitForSelector('#chart-traffic table td.number');
        await text('#chart-unknown', 'status 503').catch(() => {});
        await $('#gateway summary').click();
        await page.setViewportSize({ width: 1280, height: 1150 });
        await page.evaluate(() => scrollTo({ top: 0, behavior: 'instant' }));
        await shot('first-glance', false);
        await shot('desktop-light');
        return {
            before, after,
            legend: await $('#chart-traffic .u-legend').innerText(),
            ages: await $('#chart-ages table').innerText(),
            facts: await $('#facts').innerText(),
            configuration: await $('#configuration').innerText(),
            title: await page.title(),
        };",
    )
    .await;
    traffic.abort();
    assert_eq!(seen["before"], seen["after"], "a pause holds the list still");
    for (part, texts) in [
        ("legend", &["Executions", "Replays", "Duplicates"][..]),
        ("ages", &["up to 1 s", "ttl 1 d: pay"]),
        ("facts", &[env!("CARGO_PKG_VERSION"), "embedded:", "a crash and a loss of power", "may begin"]),
        ("configuration", &["Setup", "listens on", "Warnings (1)"]),
    ] {
        let shown = seen[part].as_str().expect("text");
        for text in texts {
            assert!(shown.contains(text), "{part} lacks {text}: {shown}");
        }
    }
    assert_ne!(seen["title"], "owned");
    gateway.logs("\"action\":\"show-response\"").await;
}

#[tokio::test]
async fn everything_is_readable_on_a_phone_in_dark_and_light() {
    let upstream = upstream().await;
    let gateway = gateway(&upstream, Settings::default()).await;
    let mut pages = Vec::new();
    for scheme in ["light", "dark"] {
        let options = json!({
            "viewport": { "width": 360, "height": 740 }, "colorScheme": scheme, "hasTouch": true, "isMobile": true,
        });
        let steps = format!(
            "await text('#verdict', '3 payments');
            await page.waitForSelector('#unknowns tbody tr');
            await $('#unknowns tbody tr:first-child a').click();
            await text('#record-body', 'Decide');
            await text('#configuration', 'Setup').catch(() => {{}});
            const wide = await page.evaluate(() => [...document.querySelectorAll('main *, header *')]
                .filter((e) => e.getBoundingClientRect().right > 361 && !e.closest('pre, .scroll, .skip, .unseen, .plot, thead') && getComputedStyle(e).position !== 'absolute')
                .map((e) => e.outerHTML.slice(0, 80)));
            // WCAG's contrast of each text with the nearest background.
            const pale = await page.evaluate(() => {{
                const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
                const light = (text) => {{
                    const [r, g, b] = rgb(text).map((c) => c / 255).map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
                    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
                }};
                const behind = (e) => {{
                    const own = getComputedStyle(e).backgroundColor;
                    return rgb(own)[3] === 0 ? (e.parentElement ? behind(e.parentElement) : 'rgb(255,255,255)') : own;
                }};
                return [...document.querySelectorAll('main *, header *')]
                    .filter((e) => !e.closest('.plot, button:disabled') && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) && e.getClientRects().length)
                    .map((e) => [light(getComputedStyle(e).color), light(behind(e)), e])
                    .map(([one, other, e]) => [(Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05), e.textContent.slice(0, 40)])
                    .filter(([contrast]) => contrast < 4.5);
            }});
            await shot('phone-{scheme}');
            await page.setViewportSize({{ width: 1280, height: 900 }});
            await shot('desktop-{scheme}-record');
            return {{ wide, pale, background: await page.evaluate(() => getComputedStyle(document.body).backgroundColor) }};"
        );
        let seen = console(&gateway, options, &steps).await;
        assert_eq!((&seen["wide"], &seen["pale"]), (&json!([]), &json!([])), "{scheme}: {seen:#}");
        pages.push(seen["background"].clone());
    }
    assert_ne!(pages[0], pages[1], "dark is not light");
}

#[tokio::test]
async fn a_token_is_asked_for_kept_out_of_urls_and_its_role_holds() {
    let upstream = upstream().await;
    let tokens = "[[admin.tokens]]\nname = \"looker\"\nrole = \"read\"\nenv = \"READ\"\n\
                  [[admin.tokens]]\nname = \"night\"\nrole = \"settle\"\nenv = \"SETTLE\"\n";
    let settings =
        Settings::default().more(tokens).env("READ", "read-token-1").env("SETTLE", "settle-token-1");
    let gateway = Gateway::start(&upstream, Settings { route: ROUTE.into(), ..settings }).await;
    pay(&gateway, "/v1/charges/lost", "lost-1", "A-1").await;
    let seen = console(
        &gateway,
        desktop(),
        "const urls = [];
        page.on('request', (asked) => urls.push(asked.url()));
        await page.waitForSelector('#login:not([hidden])');
        if (await focused() !== 'token') throw new Error('the token is not focused');
        await page.keyboard.type('wrong');
        await page.keyboard.press('Enter');
        await text('#login-why', 'none of this gateway');
        await shot('login');
        await $('#token').fill('read-token-1');
        await page.keyboard.press('Enter');
        await text('#verdict', '1 payment has');
        await text('#who', 'looker (read)');
        await page.waitForSelector('#unknowns tbody tr a');
        await $('#unknowns tbody tr a').click();
        await text('#record-body', 'needs a token with the role settle');
        const forms = await $('#record-body form').count();
        await $('#forget').click();
        await page.waitForSelector('#login:not([hidden])');
        await $('#token').fill('settle-token-1');
        await page.keyboard.press('Enter');
        await text('#who', 'night (settle)');
        await page.waitForSelector('#record-body form');
        await page.reload();
        await text('#who', 'night (settle)');
        const kept = await page.evaluate(() => [document.cookie, JSON.stringify(localStorage), location.href]);
        const refused = wrong.splice(0).filter((line) => !line.includes('401'));
        return { forms, kept, refused, leaks: [...urls, ...kept].filter((text) => text.includes('token-1')) };",
    )
    .await;
    assert_eq!(
        (&seen["forms"], &seen["leaks"], &seen["refused"]),
        (&json!(0), &json!([]), &json!([])),
        "{seen:#}"
    );
    assert_eq!((&seen["kept"][0], &seen["kept"][1]), (&json!(""), &json!("{}")), "{seen:#}");
}
