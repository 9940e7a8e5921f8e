//! Documents of every name.

use bytes::Bytes;
use oncegate::store::{DocumentName, Replaced};

use crate::bench::{Bench, STILL, id, owner};

const NAMES: [DocumentName; 6] = [
    DocumentName::Names,
    DocumentName::Clock,
    DocumentName::Notifier,
    DocumentName::Notified(0),
    DocumentName::Notified(0x0a),
    DocumentName::Notified(u8::MAX),
];

async fn replace(bench: &Bench, name: DocumentName, expected: Option<&str>, document: &str) -> Replaced {
    let owned = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    bench.store.replace_document(name, expected.map(owned), owned(document)).await.expect("an answer")
}

async fn stored(bench: &Bench, name: DocumentName) -> Option<Bytes> {
    bench.store.document(name).await.expect("an answer").bytes
}

pub async fn documents_of_all_names_are_apart(bench: Bench) {
    for (number, name) in NAMES.into_iter().enumerate() {
        assert_eq!(stored(&bench, name).await, None, "{name:?}");
        assert_eq!(replace(&bench, name, None, &number.to_string()).await, Replaced::Stored, "{name:?}");
    }
    for (number, name) in NAMES.into_iter().enumerate() {
        assert_eq!(stored(&bench, name).await, Some(Bytes::from(number.to_string())), "{name:?}");
    }
    // No document is a record, and none keeps a claim from being made.
    bench.won(id(1), owner(1), STILL).await;
    assert_eq!(bench.store.page(Default::default(), 10).await.expect("a page").records.len(), 1);
}

pub async fn every_document_is_replaced_only_where_it_is_the_expected_one(bench: Bench) {
    for name in NAMES {
        let before = bench.read(id(1)).await.now;
        assert_eq!(replace(&bench, name, Some("a"), "b").await, Replaced::Conflict, "{name:?}");
        assert_eq!(stored(&bench, name).await, None, "{name:?}");
        assert_eq!(replace(&bench, name, None, "a").await, Replaced::Stored, "{name:?}");
        for expected in [None, Some("b"), Some("")] {
            assert_eq!(replace(&bench, name, expected, "c").await, Replaced::Conflict, "{name:?}");
        }
        assert_eq!(replace(&bench, name, Some("a"), "d").await, Replaced::Stored, "{name:?}");
        let found = bench.store.document(name).await.expect("an answer");
        assert_eq!(found.bytes.as_deref(), Some(&b"d"[..]), "{name:?}");
        assert!(found.now >= before, "{name:?}");
    }
}
