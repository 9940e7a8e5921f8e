//! Two multipart bodies have one canonical form exactly when they have one meaning.

use proptest::collection::vec;
use proptest::prelude::*;

use super::canonical;

/// The canonical form of a body with this boundary.
fn read(boundary: &str, body: &[u8]) -> Option<Vec<u8>> {
    canonical(format!("multipart/form-data; boundary={boundary}").as_bytes(), body).map(|read| read.parts)
}

fn text(boundary: &str, body: &str) -> Option<Vec<u8>> {
    read(boundary, body.replace('\n', "\r\n").as_bytes())
}

const PAYMENT: &str = "--x\nContent-Disposition: form-data; name=\"amount\"\n\n100\n\
     --x\nContent-Disposition: form-data; name=\"file\"; filename=\"a.pdf\"\nContent-Type: application/pdf\n\n%PDF\n--x--\n";

#[test]
fn spellings_of_one_body_are_one() {
    assert!(text("x", PAYMENT).is_some());
    for other in [
        PAYMENT.replace("--x", "--a?b"),
        PAYMENT
            .replace("Content-Disposition", "content-DISPOSITION")
            .replace("application/pdf", "Application/PDF "),
        PAYMENT.replace("form-data; name=\"amount\"", "form-data;Name=amount"),
        PAYMENT.replace("name=\"file\"; filename=\"a.pdf\"", "filename=\"a.pdf\" ; name=file"),
        format!("a preamble\n{PAYMENT}an epilogue"),
        PAYMENT.trim_end().to_owned(),
        PAYMENT.replace("--x\n", "--x \t\n"),
    ] {
        let boundary = if other.contains("a?b") { "\"a?b\"" } else { "x" };
        assert_eq!(text("x", PAYMENT), text(boundary, &other), "{other}");
    }
}

#[test]
fn bodies_with_other_meanings_differ() {
    for other in [
        PAYMENT.replace("100", "101"),
        PAYMENT.replace("100", "100 "),
        PAYMENT.replace("100", "100\n"),
        PAYMENT.replace("\"amount\"", "\"Amount\""),
        PAYMENT.replace("a.pdf", "b.pdf"),
        PAYMENT.replace("; filename=\"a.pdf\"", ""),
        PAYMENT.replace("application/pdf", "text/plain"),
        PAYMENT.replace("Content-Type: application/pdf\n", ""),
        PAYMENT.replace("--x--", "--x\nContent-Disposition: form-data; name=\"a\"\n\n\n--x--"),
        PAYMENT.replace("--x--", "--x\nContent-Disposition: form-data; name=\"amount\"\n\n100\n--x--"),
    ] {
        assert!(text("x", &other).is_some(), "{other}");
        assert_ne!(text("x", PAYMENT), text("x", &other), "{other}");
    }
}

#[test]
fn a_body_that_readers_divide_in_different_ways_has_no_canonical_form() {
    assert_eq!(read("x", PAYMENT.as_bytes()), None, "line feeds alone");
    for other in [
        String::new(),
        PAYMENT.replace("--x--", "--x"),
        PAYMENT.replace("--x--", ""),
        PAYMENT.replace("100", "100--x"),
        PAYMENT.replace("100", "100\n--xy"),
        PAYMENT.replace("--x--\n", "--x--y"),
        format!("{PAYMENT}\n--x\n\na\n--x--"),
        PAYMENT.replace("\n\n100", "\n100"),
        PAYMENT.replace("\n\n100", "\n folded: a\n\n100"),
        PAYMENT.replace("Content-Type:", "Content-Type :"),
        PAYMENT.replace("Content-Type:", ":"),
        PAYMENT.replace("\n\n100", "\nno colon\n\n100"),
        PAYMENT.replace("--x\nContent-Disposition: form-data; name=\"amount\"\n\n100\n", "--x\n"),
    ] {
        assert_eq!(text("x", &other), None, "{other}");
    }
    let crlf = PAYMENT.replace('\n', "\r\n");
    for (find, with) in
        [("100\r\n", "100\n"), ("amount\"\r\n", "amount\"\n"), ("application/pdf", "application\u{0}/pdf")]
    {
        assert_eq!(read("x", crlf.replace(find, with).as_bytes()), None, "{find:?}");
    }
    for media_type in [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"\"",
        "multipart/form-data; boundary=x; boundary=x",
        "multipart/; boundary=x",
        "application/json; boundary=x",
        "multipart/form-data; boundary=\"x \"",
        "multipart/form-data, boundary=x",
    ] {
        assert!(canonical(media_type.as_bytes(), crlf.as_bytes()).is_none(), "{media_type}");
    }
    let long = "x".repeat(71);
    assert_eq!(text(&long, &PAYMENT.replace("--x", &format!("--{long}"))), None);
}

#[test]
fn only_the_boundary_of_the_media_type_does_not_count() {
    let of = |media_type: &str| {
        let body = "--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--x--";
        canonical(media_type.as_bytes(), body.as_bytes()).map(|read| read.content_type)
    };
    let usual = of("multipart/form-data; boundary=x");
    assert_eq!(usual, of("Multipart/Form-Data;boundary=\"x\""));
    for other in ["multipart/form-data; boundary=x; charset=utf-8", "multipart/mixed; boundary=x"] {
        assert!(of(other).is_some());
        assert_ne!(usual, of(other));
    }
}

#[test]
fn the_parts_of_other_types_count_in_their_order() {
    let part = |name: &str| format!("--x\r\nContent-Disposition: form-data; name={name}\r\n\r\n1\r\n");
    let bodies = [part("a") + &part("b") + "--x--", part("b") + &part("a") + "--x--"];
    let read = |media_type: &str| {
        let of = |body: &String| canonical(media_type.as_bytes(), body.as_bytes()).expect("parts").parts;
        bodies.each_ref().map(of)
    };
    let [one, other] = read("multipart/form-data; boundary=x");
    assert_eq!(one, other);
    let [one, other] = read("multipart/related; boundary=x");
    assert_ne!(one, other);
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Value {
    filename: Option<String>,
    media_type: Option<&'static str>,
    content: Vec<u8>,
}

/// The parts of each name in their order.
type Meaning = Vec<(String, Vec<Value>)>;

fn meaning() -> impl Strategy<Value = Meaning> {
    let content = prop_oneof![vec(any::<u8>(), 0..5), "[-x\r\n]{0,6}".prop_map(String::into_bytes)];
    let media_type = prop::sample::select(vec!["text/plain", "application/pdf"]);
    let value = (proptest::option::of("[a-c;= é]{0,3}"), proptest::option::of(media_type), content)
        .prop_map(|(filename, media_type, content)| Value { filename, media_type, content });
    vec(("[a-c é]{0,2}", vec(value, 1..3)), 0..4).prop_map(|mut members| {
        members.sort();
        members.dedup_by(|one, other| one.0 == other.0);
        members
    })
}

/// Spells a body at random, with a boundary that stands nowhere in it.
fn spelled(meaning: &Meaning, choices: &[u8]) -> (String, Vec<u8>) {
    let mut choices = choices.iter().cycle().copied();
    let mut below = |limit: usize| usize::from(choices.next().unwrap_or_default()) % limit;
    let boundary = ["yy", "boundary-2", "y:?=+"][below(3)];
    let mut left: Vec<(&str, &[Value])> =
        meaning.iter().map(|(name, values)| (name.as_str(), &values[..])).collect();
    let mut body = [&b""[..], b"preamble\r\n"][below(2)].to_vec();
    while !left.is_empty() {
        let at = below(left.len());
        let (name, values) = left[at];
        let value = &values[0];
        let mut parameters = vec![format!("name=\"{name}\"")];
        parameters.extend(value.filename.iter().map(|name| format!("FileName=\"{name}\"")));
        let turn = below(parameters.len());
        parameters.rotate_left(turn);
        let mut lines =
            vec![format!("content-Disposition:form-data{}{}", ["; ", ";"][below(2)], parameters.join("; "))];
        lines.extend(value.media_type.map(|name| format!("Content-type: {name}{}", ["", " "][below(2)])));
        let turn = below(lines.len());
        lines.rotate_left(turn);
        body.extend(format!("--{boundary}\r\n{}\r\n\r\n", lines.join("\r\n")).into_bytes());
        body.extend(&value.content);
        body.extend(b"\r\n");
        match &values[1..] {
            [] => drop(left.remove(at)),
            rest => left[at].1 = rest,
        }
    }
    body.extend(format!("--{boundary}--{}", ["", "\r\n", "\r\nepilogue"][below(3)]).into_bytes());
    (format!("\"{boundary}\""), body)
}

proptest! {
    #[test]
    fn one_meaning_has_one_form_and_another_has_another(
        (one, other) in (meaning(), meaning()),
        choices in [vec(any::<u8>(), 40), vec(any::<u8>(), 40)],
    ) {
        prop_assume!(!one.is_empty() && !other.is_empty());
        let of = |meaning: &Meaning, choices: &[u8]| {
            let (boundary, body) = spelled(meaning, choices);
            let form = read(&boundary, &body);
            prop_assert!(form.is_some(), "{}", String::from_utf8_lossy(&body));
            Ok(form)
        };
        prop_assert_eq!(of(&one, &choices[0])?, of(&one, &choices[1])?);
        prop_assert_eq!(one == other, of(&one, &choices[0])? == of(&other, &choices[1])?);
    }

    #[test]
    fn one_change_of_a_body_is_seen(
        meaning in meaning(), at in any::<prop::sample::Index>(), change in 0..4, choices in vec(any::<u8>(), 40),
    ) {
        prop_assume!(!meaning.is_empty());
        let mut near = meaning.clone();
        let at = at.index(near.len());
        let value = &mut near[at].1[0];
        match change {
            0 => value.content.push(b'1'),
            1 => value.filename = value.filename.take().xor(Some("d".into())),
            2 => value.media_type = value.media_type.xor(Some("a/b")),
            _ => near[at].0.push('d'),
        }
        let [(one, first), (other, second)] = [&meaning, &near].map(|meaning| spelled(meaning, &choices));
        prop_assert_ne!(read(&one, &first), read(&other, &second));
    }

    #[test]
    fn any_bytes_are_read(body in vec(any::<u8>(), 0..60), text in "(--x|\r\n|--|a: b|;|=|\"| )*") {
        let _ = (read("x", &body), read("x", text.as_bytes()));
    }
}
