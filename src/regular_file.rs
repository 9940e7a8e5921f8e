//! Files that a configuration names, read so that nothing but a disk can keep the reader waiting.
//!
//! A pipe, a device or a directory in the place of a file is refused before a byte is read: a pipe without a
//! writer would keep the reader for ever, and a device has no end.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// Largest file of certificates or of a key, in bytes.
const LARGEST: u64 = 16 << 20;

/// Opens a regular file.
///
/// # Errors
/// As the system's, and `InvalidInput` for anything that is no regular file.
pub fn open(path: &Path) -> io::Result<File> {
    // The first look keeps devices from being opened, which can do something to them. The file may be another
    // one by then, so it is looked at again, and is opened in a way that does not wait for a writer.
    expect_regular(&fs::metadata(path)?)?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    expect_regular(&file.metadata()?)?;
    Ok(file)
}

/// Reads a whole regular file.
///
/// # Errors
/// As [`open`], and `FileTooLarge` for more than 16 MiB.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut contents = Vec::new();
    open(path)?.take(LARGEST + 1).read_to_end(&mut contents)?;
    match contents.len() as u64 > LARGEST {
        true => {
            Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {LARGEST} bytes")))
        }
        false => Ok(contents),
    }
}

fn expect_regular(about: &Metadata) -> io::Result<()> {
    match about.is_file() {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn only_a_regular_file_of_some_size_is_read() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        fs::write(at("file"), "text").expect("it can be written");
        std::os::unix::fs::symlink("file", at("link")).expect("a link");
        for name in ["file", "link"] {
            assert_eq!(read(&at(name)).expect("it is read"), b"text");
        }
        // A pipe has no writer here: opening it in the usual way would wait for ever.
        assert!(Command::new("mkfifo").arg(at("pipe")).status().expect("mkfifo runs").success());
        for special in [at("pipe"), directory.path().into(), "/dev/zero".into()] {
            let why = read(&special).expect_err("it is refused").to_string();
            assert_eq!(why, "it is no regular file", "{}", special.display());
        }
        let large = File::create(at("large")).expect("it can be made");
        large.set_len(LARGEST + 1).expect("it can be long");
        assert_eq!(read(&at("large")).expect_err("too large").kind(), io::ErrorKind::FileTooLarge);
        large.set_len(LARGEST).expect("it can be shorter");
        assert_eq!(read(&at("large")).expect("it is read").len() as u64, LARGEST);
        assert_eq!(read(&at("none")).expect_err("absent").kind(), io::ErrorKind::NotFound);
    }
}
