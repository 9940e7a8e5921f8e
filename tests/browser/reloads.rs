//! What the console says of the configuration in force and of reloads.

use serde_json::{Value, json};

use crate::console::{console, desktop, gateway, upstream};
use crate::harness::{Gateway, Settings};

/// Replaces the file, and asks for a reload.
async fn reload(gateway: &Gateway, change: impl FnOnce(&str) -> String) -> Value {
    gateway.rewrite(change);
    gateway.admin_post("/v1/reload", &json!({})).await.json()
}

fn parts(seen: &Value, part: &str) -> String {
    seen[part].as_str().expect("text").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_file_is_shown_with_line_and_key_until_one_is_taken() {
    let upstream = upstream().await;
    let gateway = gateway(&upstream, Settings::default()).await;
    let before = console(
        &gateway,
        desktop(),
        "await text('#reloads', 'No reload since the start');
        return { facts: await $('#facts').innerText() };",
    )
    .await;
    let version = gateway.admin_get("/v1/routes").await.json()["version"].clone();
    let version = version.as_str().expect("a version").to_owned();
    assert!(parts(&before, "facts").contains(&format!("version {version}, loaded ")), "{before}");

    // Without an operator: the gateway finds the file by itself.
    gateway.rewrite(|text| format!("{text}\nttl = \"<b>soon</b>\"\n"));
    gateway.logs("the configuration was not reloaded").await;
    for (scheme, width) in [("light", 1280), ("dark", 1280), ("light", 360)] {
        let options = json!({ "viewport": { "width": width, "height": 740 }, "colorScheme": scheme });
        let steps = format!(
            "await text('#reloads .refused', 'The changed configuration was refused: invalid.');
            await text('#reloads .refused', '(the file changed). The one in force stays.');
            const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
            await $('#gateway').screenshot({{ path: `${{shots}}/console-refused-{scheme}-{width}.png` }});
            return {{ wide, text: await $('#reloads pre').innerText(), facts: await $('#facts').innerText() }};"
        );
        let seen = console(&gateway, options, &steps).await;
        let text = parts(&seen, "text");
        let (line, _) = text.split_once("oncegate.toml:").expect("a file").1.split_once(':').expect("a line");
        assert!(line.parse::<u32>().is_ok_and(|line| line > 10), "{text}");
        assert!(text.contains("routes[0].ttl (route \"pay\"): ") && text.contains("<b>soon</b>"), "{text}");
        assert!(parts(&seen, "facts").contains(&version), "the one in force stays: {seen}");
        assert!(seen["wide"].as_i64().is_some_and(|wide| wide <= 0), "{seen}");
    }

    let reloaded = reload(&gateway, |text| text.replace("ttl = \"<b>soon</b>\"", "ttl = \"2d\"")).await;
    assert_eq!(reloaded["outcome"], "reloaded");
    let after = console(
        &gateway,
        desktop(),
        "await text('#reloads', 'Last reload: ');
        await text('#reloads', '(an operator asked): changed: routes.pay.ttl.');
        await $('#reloads summary').click();
        return { past: await $('#reloads details').innerText(), refused: await $('#reloads .refused').count(), facts: await $('#facts').innerText() };",
    )
    .await;
    let past = parts(&after, "past");
    assert!(past.contains("Last refused: invalid, ") && past.contains("routes[0].ttl (route "), "{past}");
    assert_eq!(after["refused"], 0, "{after}");
    assert!(parts(&after, "facts").contains(reloaded["version"].as_str().expect("a version")), "{after}");
}
