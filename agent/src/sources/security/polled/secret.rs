//! Secrets, out of files or the environment.
//!
//! Promises that a secret is never part of an error, not even one that was put where its file or its
//! variable should be named, and is read anew each time it is needed, so that one that was changed takes
//! effect without a restart.

use std::path::Path;

/// Longest secret, bytes.
const SECRET_MAX_BYTES: u64 = 4096;

/// A secret out of a file, without the end of its line. `key` is what the setting is called.
pub(super) fn of_file(key: &str, path: &Path) -> Result<String, String> {
    let place = place(key, path);
    let wrong = |what: &dyn std::fmt::Display| {
        format!(
            "{place}: {what}; use a file that holds it alone and that the agent's user can read"
        )
    };
    let length = std::fs::metadata(path)
        .map_err(|error| wrong(&error))?
        .len();
    if length > SECRET_MAX_BYTES {
        return Err(wrong(&format!("it has {length} bytes")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// A file in an error. What is no path from the root on may be the secret itself.
fn place(key: &str, path: &Path) -> String {
    if path.is_absolute() {
        format!("{key} {}", path.display())
    } else {
        format!("the file that {key} names, without its whole path")
    }
}

/// The same, or out of a variable of the environment; one that can be sent in a head of HTTP.
/// `key` is what the settings begin with.
pub(super) fn of(key: &str, file: Option<&Path>, variable: Option<&str>) -> Result<String, String> {
    let (secret, place) = match (file, variable) {
        (Some(file), _) => {
            let key = format!("{key}_file");
            let secret = of_file(&key, file)?;
            (secret, place(&key, file))
        }
        (None, variable) => {
            let variable = variable.unwrap_or_default();
            // Its name is not told: it may be the secret itself.
            let place = format!("the variable that {key}_variable names");
            let secret = std::env::var(variable)
                .map_err(|_| format!("{place} is not in the agent's environment, or no text"))?;
            (secret, place)
        }
    };
    let sendable = (1..=SECRET_MAX_BYTES).contains(&(secret.len() as u64))
        && secret.bytes().all(|byte| byte.is_ascii_graphic());
    if !sendable {
        return Err(format!(
            "{place} holds no secret; it must be 1 to {SECRET_MAX_BYTES} printable characters without spaces, alone"
        ));
    }
    Ok(secret)
}

/// Whether exactly one of the two is set, and can be used.
pub(super) fn validate(
    key: &str,
    file: Option<&Path>,
    variable: Option<&str>,
) -> Result<(), String> {
    match (file, variable) {
        (Some(file), None) if file.is_absolute() => Ok(()),
        (Some(_), None) => Err(format!(
            "{key}_file is no absolute path; use that of a file that holds it alone"
        )),
        (None, Some(variable)) => {
            let fits = (1..=64).contains(&variable.len())
                && variable
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            fits.then_some(()).ok_or_else(|| {
                format!(
                    "{key}_variable is no name; use that of a variable of the environment that holds it"
                )
            })
        }
        _ => Err(format!(
            "{key} has to come from one place: set {key}_file or {key}_variable"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_come_alone_and_never_into_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        for (text, expected) in [
            ("hunter2\n", Some("hunter2")),
            ("hunter2\r\n", Some("hunter2")),
            ("", None),
            ("hunter2 x", None),
            ("hunter2\nx", None),
            ("hünter2", None),
        ] {
            std::fs::write(&path, text).unwrap();
            let read = of("token", Some(&path), None);
            if let Err(error) = &read {
                assert!(error.starts_with("token_file /"), "{error}");
                assert!(!error.contains("nter2"), "{error}");
            }
            assert_eq!(read.ok().as_deref(), expected, "{text:?}");
        }
        std::fs::write(&path, vec![b'x'; 5000]).unwrap();
        assert!(of("token", Some(&path), None).is_err());
        let error = of("token", None, Some("hunter2")).unwrap_err();
        assert!(error.contains("not in the agent's environment"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
        let error = of_file("password_file", Path::new("hunter2")).unwrap_err();
        assert!(error.contains("password_file"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
        // One that is there on every host.
        assert!(of("token", None, Some("PATH")).is_ok());
    }

    #[test]
    fn a_secret_has_one_place() {
        let path = Path::new("/etc/secret");
        assert_eq!(validate("token", Some(path), None), Ok(()));
        assert_eq!(validate("token", None, Some("TOKEN")), Ok(()));
        assert!(validate("token", None, None).is_err());
        assert!(validate("token", Some(path), Some("TOKEN")).is_err());
        for misplaced in [
            validate("token", Some(Path::new("hunter2")), None),
            validate("token", None, Some("hunter2=")),
        ] {
            let error = misplaced.unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
