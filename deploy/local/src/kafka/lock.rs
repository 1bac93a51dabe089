//! The list of jars: what is fetched, and what it must be.

use std::collections::HashSet;

/// Longest file taken, bytes. The largest of Kafka's jars has 11 MB.
const MAX_JAR_BYTES: u64 = 64 << 20;

/// One jar of a Maven repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Jar {
    pub(super) group: String,
    pub(super) artifact: String,
    pub(super) version: String,
    pub(super) bytes: u64,
    /// Hexadecimal, lower case.
    pub(super) sha256: String,
}

impl Jar {
    pub(super) fn file_name(&self) -> String {
        format!("{}-{}.jar", self.artifact, self.version)
    }

    /// In the layout of every Maven repository. `repository` has no trailing slash.
    pub(super) fn url(&self, repository: &str) -> String {
        let group = self.group.replace('.', "/");
        format!(
            "{repository}/{group}/{}/{}/{}",
            self.artifact,
            self.version,
            self.file_name()
        )
    }
}

/// Reads a lock file: comments, empty lines, and `group:artifact:version bytes sha256`.
pub(super) fn parse(text: &str) -> Result<Vec<Jar>, String> {
    let mut jars = Vec::new();
    let mut names = HashSet::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let jar = parse_line(line).map_err(|reason| format!("line {}: {reason}", index + 1))?;
        if !names.insert(jar.file_name()) {
            return Err(format!(
                "line {}: {} is there twice",
                index + 1,
                jar.file_name()
            ));
        }
        jars.push(jar);
    }
    if jars.is_empty() {
        return Err("it lists no jar".to_owned());
    }
    Ok(jars)
}

fn parse_line(line: &str) -> Result<Jar, String> {
    let fields: Vec<_> = line.split_whitespace().collect();
    let [coordinates, bytes, sha256] = fields[..] else {
        return Err(format!(
            "{} fields, should be 3: group:artifact:version, bytes, sha256",
            fields.len()
        ));
    };
    let parts: Vec<_> = coordinates.split(':').collect();
    let [group, artifact, version] = parts[..] else {
        return Err(format!("{coordinates:?} is not group:artifact:version"));
    };
    // These become a URL and a file name.
    let is_plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && !part.contains("..")
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    if ![group, artifact, version].into_iter().all(is_plain) {
        return Err(format!("{coordinates:?} has a part that is no plain name"));
    }
    let bytes: u64 = bytes
        .parse()
        .ok()
        .filter(|bytes| (1..=MAX_JAR_BYTES).contains(bytes))
        .ok_or_else(|| format!("{bytes:?} is no size between 1 and {MAX_JAR_BYTES} bytes"))?;
    let is_sum = sha256.len() == 64
        && sha256
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if !is_sum {
        return Err(format!(
            "{sha256:?} is no SHA-256 in lower-case hexadecimal"
        ));
    }
    Ok(Jar {
        group: group.to_owned(),
        artifact: artifact.to_owned(),
        version: version.to_owned(),
        bytes,
        sha256: sha256.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: &str = "41f9cfe6faafb2eb83a1c7dd2d0dfd844e2a93641f9cfe6faafb2eb83a1c7dd2";

    #[test]
    fn a_line_names_a_file_and_its_url() {
        let text = format!("# head\n\norg.apache.kafka:kafka_2.13:4.4.0 1333804 {SUM}\n");
        let jars = parse(&text).unwrap();
        assert_eq!(jars.len(), 1);
        assert_eq!(jars[0].bytes, 1_333_804);
        assert_eq!(jars[0].file_name(), "kafka_2.13-4.4.0.jar");
        assert_eq!(
            jars[0].url("http://r"),
            "http://r/org/apache/kafka/kafka_2.13/4.4.0/kafka_2.13-4.4.0.jar"
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, names) in [
            (String::new(), "no jar"),
            (format!("# x\na:b:1 {SUM}"), "line 2: 2 fields"),
            (format!("a:b 1 {SUM}"), "group:artifact:version"),
            (format!("a:b:c:d 1 {SUM}"), "group:artifact:version"),
            (format!("a:../b:1 1 {SUM}"), "no plain name"),
            (format!("a:b:1/2 1 {SUM}"), "no plain name"),
            (format!("a::1 1 {SUM}"), "no plain name"),
            (format!("a:b:1 0 {SUM}"), "no size"),
            (format!("a:b:1 99999999999 {SUM}"), "no size"),
            (format!("a:b:1 -1 {SUM}"), "no size"),
            (format!("a:b:1 1 {}", &SUM[1..]), "no SHA-256"),
            (format!("a:b:1 1 {}", SUM.to_uppercase()), "no SHA-256"),
            (format!("a:b:1 1 {SUM}\nc:b:1 1 {SUM}"), "twice"),
        ] {
            let error = parse(&text).unwrap_err();
            assert!(error.contains(names), "{text:?}: {error}");
        }
    }

    #[test]
    fn the_file_that_ships_has_a_broker() {
        let jars = parse(super::super::fetch::LOCK).unwrap();
        let version = |name: &str| {
            jars.iter()
                .find(|jar| jar.artifact == name)
                .map(|jar| jar.version.as_str())
        };
        assert_eq!(version("kafka_2.13"), Some(super::super::fetch::VERSION));
        assert_eq!(version("kafka-clients"), version("kafka_2.13"));
    }
}
