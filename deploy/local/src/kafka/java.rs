//! Finding a Java that Kafka runs on.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::KafkaError;

/// The oldest Java that Kafka's brokers run on since 4.0.
const OLDEST: u32 = 17;

/// A Java runtime.
#[derive(Clone, Debug)]
pub(super) struct Java {
    pub(super) program: PathBuf,
}

impl Java {
    /// From JAVA_HOME, else from PATH: the first that is new enough.
    pub(super) fn find() -> Result<Self, KafkaError> {
        let home = std::env::var_os("JAVA_HOME")
            .filter(|home| !home.is_empty())
            .map(|home| Path::new(&home).join("bin"));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let candidates = home.into_iter().chain(std::env::split_paths(&path));
        Self::among(candidates.map(|directory| directory.join("java")))
    }

    fn among(candidates: impl Iterator<Item = PathBuf>) -> Result<Self, KafkaError> {
        let mut seen = Vec::new();
        for program in candidates.filter(|candidate| candidate.is_file()) {
            match version(&program) {
                Some(version) if version >= OLDEST => return Ok(Self { program }),
                Some(version) => seen.push(format!("{} is Java {version}", program.display())),
                None => seen.push(format!("{} tells no version", program.display())),
            }
        }
        let found = if seen.is_empty() {
            "none in JAVA_HOME or PATH".to_owned()
        } else {
            seen.join(", ")
        };
        Err(KafkaError::Java(format!(
            "kafka needs Java {OLDEST} or newer; found: {found}. Install it (on Debian: apt-get install \
             openjdk-{OLDEST}-jre-headless), or let JAVA_HOME name one"
        )))
    }

    /// A program that comes with this Java.
    pub(super) fn tool(&self, name: &str) -> PathBuf {
        // Debian's /usr/bin/java is a link into the directory where all are.
        let program = self.program.canonicalize();
        let program = program.as_deref().unwrap_or(&self.program);
        program.with_file_name(name)
    }
}

fn version(program: &Path) -> Option<u32> {
    let output = Command::new(program)
        .arg("-version")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    major(&String::from_utf8_lossy(&output.stderr))
}

/// `17` of `openjdk version "17.0.15" 2025-04-15`, `8` of `java version "1.8.0_392"`.
fn major(text: &str) -> Option<u32> {
    let quoted = text
        .lines()
        .find_map(|line| line.split_once(" version \"")?.1.split('"').next())?;
    let mut numbers = quoted
        .split(|letter: char| !letter.is_ascii_digit())
        .map(|number| number.parse().ok());
    match numbers.next()?? {
        1 => numbers.next()?,
        number => Some(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_java_writes_them() {
        for (text, expected) in [
            (
                "openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime",
                Some(17),
            ),
            (
                "Picked up JAVA_TOOL_OPTIONS: -X\nopenjdk version \"21\" 2023-09-19",
                Some(21),
            ),
            ("java version \"1.8.0_392\"", Some(8)),
            ("openjdk version \"25-ea\" 2025-09-16", Some(25)),
            ("bash: java: command not found", None),
            ("openjdk version \"\"", None),
        ] {
            assert_eq!(major(text), expected, "{text}");
        }
    }

    #[test]
    fn an_old_or_missing_java_says_what_to_install() {
        let none = Java::among(std::iter::empty()).unwrap_err().to_string();
        assert!(none.contains("none in JAVA_HOME or PATH"), "{none}");
        assert!(none.contains("openjdk-17-jre-headless"), "{none}");
        // A file that is no program is named, not run.
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("java");
        std::fs::write(&program, "").unwrap();
        let broken = Java::among([program].into_iter()).unwrap_err().to_string();
        assert!(broken.contains("tells no version"), "{broken}");
    }
}
