//! The configuration file of a gateway that serves, as looks at it find it.
//!
//! A change is judged once two looks in a row have found the same: the same text, or the same reason why
//! there is none. A file that is still being written is not taken therefore, and a file that is replaced in two
//! steps is not reported as missing. What was refused is not judged again, unless the reason may pass while
//! the file stays as it is.

use std::path::{Path, PathBuf};

use crate::config::{contents, digest_of};
use crate::regular_file;

use super::file_work::{FileWork, NoResult};

/// A text that a look found.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) contents: Vec<u8>,
    /// SHA-256 of the contents, in hexadecimal digits.
    pub(super) digest: String,
}

/// The result of a look: a text, or the reason why none could be read.
pub(super) type Look = Result<Found, String>;

/// Looks at a file.
pub(super) async fn look(path: PathBuf, work: &FileWork) -> Look {
    let shown = path.display().to_string();
    let read = work.run(move || read(&path)).await;
    let found = read.unwrap_or_else(|failure| Err(failure.in_words().to_owned()));
    found.map_err(|why| format!("{shown}: cannot be read: {why}"))
}

fn read(path: &Path) -> Look {
    let contents = regular_file::open(path).and_then(contents).map_err(|error| error.to_string())?;
    Ok(Found { digest: digest_of(&contents), contents })
}

impl NoResult {
    /// Returns the reason in words.
    pub(super) fn in_words(self) -> &'static str {
        match self {
            Self::Hangs => "the disk does not answer",
            Self::Panicked => "the reader panicked, and the log says where",
        }
    }
}

/// The judgment about a find.
#[derive(Clone, Copy)]
pub(super) enum Judgment {
    /// The find is in force.
    Taken,
    /// The find is not judged again.
    Refused,
    /// The find is judged again after this number of looks.
    RefusedForLooks(u32),
}

/// The finds of earlier looks, as far as later looks depend on them.
#[derive(Default)]
pub(super) struct Looks {
    last: Option<Mark>,
    refused: Option<Refused>,
}

/// The mark by which two finds are told apart: the digest of a text, or the reason why there is none.
type Mark = Result<String, String>;

/// A find that was judged and refused.
struct Refused {
    mark: Mark,
    /// Number of looks after which it is judged again, if it is.
    looks_left: Option<u32>,
}

fn mark(look: &Look) -> Mark {
    look.as_ref().map(|found| found.digest.clone()).map_err(Clone::clone)
}

impl Looks {
    /// Tells whether the find of a look is to be judged.
    pub(super) fn is_due(&mut self, look: &Look, digest_in_force: &str) -> bool {
        let mark = mark(look);
        let is_stable = self.last.as_ref() == Some(&mark);
        self.last = Some(mark.clone());
        if mark.as_deref() == Ok(digest_in_force) {
            self.refused = None;
            return false;
        }
        match &mut self.refused {
            Some(refused) if refused.mark == mark => refused.is_due_again(),
            _ => is_stable,
        }
    }

    /// Notes how a find was judged.
    pub(super) fn judged(&mut self, look: &Look, judgment: Judgment) {
        let looks_left = match judgment {
            Judgment::Taken => {
                self.refused = None;
                return;
            }
            Judgment::Refused => None,
            Judgment::RefusedForLooks(looks) => Some(looks),
        };
        self.refused = Some(Refused { mark: mark(look), looks_left });
    }
}

impl Refused {
    fn is_due_again(&mut self) -> bool {
        let Some(left) = &mut self.looks_left else { return false };
        *left = left.saturating_sub(1);
        *left == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Look {
        Ok(Found { contents: text.into(), digest: digest_of(text) })
    }

    fn missing() -> Look {
        Err("it is missing".into())
    }

    #[test]
    fn a_find_is_judged_once_two_looks_agreed() {
        let (mut looks, in_force) = (Looks::default(), digest_of("one"));
        let mut is_due = |look: Look| looks.is_due(&look, &in_force);
        assert!(!is_due(found("one")) && !is_due(found("one")), "in force");
        assert!(!is_due(found("two")) && is_due(found("two")));
        assert!(!is_due(found("thr")) && !is_due(found("three")) && is_due(found("three")), "still written");
        assert!(!is_due(found("four")) && !is_due(found("one")) && !is_due(found("four")), "it went away");
        assert!(!is_due(missing()) && !is_due(found("four")) && is_due(found("four")), "it was missing");
        assert!(!is_due(missing()) && is_due(missing()), "it stays missing");
        assert!(!is_due(Err("it is a pipe".into())), "another reason");
    }

    #[test]
    fn a_refused_find_is_judged_again_if_the_reason_may_pass() {
        for find in [found("bad"), missing()] {
            let mut looks = Looks::default();
            assert!(!looks.is_due(&find, "") && looks.is_due(&find, ""));
            looks.judged(&find, Judgment::Refused);
            assert!((0..9).all(|_| !looks.is_due(&find, "")));
            looks.judged(&find, Judgment::RefusedForLooks(3));
            assert_eq!([(); 4].map(|()| looks.is_due(&find, "")), [false, false, true, true]);
            looks.judged(&find, Judgment::RefusedForLooks(1));
            assert!(looks.is_due(&find, ""), "at the next look");
            let other = found("good");
            assert!(!looks.is_due(&other, "") && looks.is_due(&other, ""));
            looks.judged(&other, Judgment::Taken);
            assert!(!looks.is_due(&find, "") && looks.is_due(&find, ""), "it came back");
        }
    }

    #[test]
    fn a_refused_text_that_comes_back_after_the_one_in_force_is_judged() {
        let (mut looks, in_force) = (Looks::default(), digest_of("good"));
        looks.judged(&found("bad"), Judgment::Refused);
        assert!(!looks.is_due(&found("bad"), &in_force) && !looks.is_due(&found("bad"), &in_force));
        assert!(!looks.is_due(&found("good"), &in_force));
        assert!(!looks.is_due(&found("bad"), &in_force) && looks.is_due(&found("bad"), &in_force));
    }

    #[tokio::test]
    async fn a_look_finds_the_text_or_the_reason_why_there_is_none() {
        let directory = tempfile::tempdir().expect("a directory");
        let (work, path) = (FileWork::default(), directory.path().join("oncegate.toml"));
        let why = look(path.clone(), &work).await.err().expect("it is missing");
        assert!(why.starts_with(&format!("{}: cannot be read: ", path.display())), "{why}");
        std::fs::write(&path, "text").expect("it can be written");
        let Ok(found) = look(path.clone(), &work).await else { panic!("it is there") };
        assert_eq!((&*found.contents, found.digest), (&b"text"[..], digest_of("text")));
        // No more than the beginning of a file that is too large for a configuration is in memory.
        std::fs::File::create(&path).and_then(|file| file.set_len(1 << 34)).expect("it can be long");
        let Ok(found) = look(path, &work).await else { panic!("it is there") };
        assert_eq!(found.contents.len(), (1 << 20) + 1);
    }
}
