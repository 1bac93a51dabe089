//! The shape of auditd's records: `[node=HOST ]type=TYPE msg=audit(SECONDS.MS:SERIAL): FIELDS`, then
//! behind a 0x1d the names that auditd looked up (`log_format = ENRICHED`).
//!
//! Pure. The kernel writes strings from outside in quotes, or in hexadecimal when they hold spaces,
//! quotes or anything unprintable, so that its fields can be told apart by spaces. A program's own
//! record stands in `msg='…'`; what it says last (`exe`, `hostname`, `addr`, `terminal`, `res`) is
//! the audit library's, so it is taken from the end, and an account name cannot pass for it.

use crate::sources::tail::calendar::digits;

/// How auditd writes an account that was never logged in.
const UNSET: [&str; 3] = ["4294967295", "-1", "unset"];

/// A record in parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// Such as `USER_LOGIN`.
    pub(super) kind: &'a str,
    pub(super) time_ms: i64,
    /// The kernel's fields.
    pub(super) fields: &'a str,
    /// What a program said, without its quotes; empty in the kernel's own records.
    pub(super) message: &'a str,
    /// Names that auditd looked up.
    names: &'a str,
}

/// Takes a line apart. `None` when it is no record.
pub(super) fn parse(line: &str) -> Option<Record<'_>> {
    let line = match line.strip_prefix("node=") {
        Some(rest) => rest.split_once(' ')?.1,
        None => line,
    };
    let (kind, rest) = line.strip_prefix("type=")?.split_once(" msg=audit(")?;
    let word =
        |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"_[]".contains(&byte);
    if kind.is_empty() || kind.len() > 64 || !kind.bytes().all(word) {
        return None;
    }
    let (stamp, rest) = rest.split_once("):")?;
    let (time, serial) = stamp.split_once(':')?;
    let (seconds, milliseconds) = time.split_once('.')?;
    digits(serial.as_bytes())?;
    let time_ms = digits(seconds.as_bytes())?
        .checked_mul(1000)?
        .checked_add(digits(milliseconds.as_bytes())?)?;
    let (own, names) = rest.rsplit_once('\u{1d}').unwrap_or((rest, ""));
    let (fields, message) = own.split_once(" msg='").unwrap_or((own, ""));
    let message = message.trim_end();
    Some(Record {
        kind,
        time_ms,
        fields,
        message: message.strip_suffix('\'').unwrap_or(message),
        names,
    })
}

impl<'a> Record<'a> {
    /// A field of the kernel's, as it stands.
    pub(super) fn field(&self, name: &str) -> Option<&'a str> {
        word(self.fields, name)
    }

    /// A field of the kernel's as text.
    pub(super) fn text(&self, name: &str) -> String {
        self.field(name).map_or_else(String::new, text)
    }

    /// Name or number of an account in a field such as `auid`; empty when unset.
    pub(super) fn account(&self, field: &str) -> String {
        let number = self.field(field).unwrap_or("");
        if UNSET.contains(&number) {
            return String::new();
        }
        match self.looked_up(&field.to_ascii_uppercase()) {
            "" | "unset" => number.to_owned(),
            name => name.to_owned(),
        }
    }

    /// Who acted: the account that logged in, else the one the process runs as.
    pub(super) fn actor(&self) -> String {
        let login = self.account("auid");
        if login.is_empty() {
            self.account("uid")
        } else {
            login
        }
    }

    /// A name that auditd looked up.
    pub(super) fn looked_up(&self, name: &str) -> &'a str {
        let begin = format!("{name}=\"");
        let found = self.names.match_indices(&begin).find(|(position, _)| {
            *position == 0 || self.names.as_bytes().get(position - 1) == Some(&b' ')
        });
        found.map_or("", |(position, _)| {
            let rest = &self.names[position + begin.len()..];
            rest.split_once('"').map_or("", |(name, _)| name)
        })
    }

    /// Name of the system call, where auditd looked it up.
    pub(super) fn system_call(&self) -> Option<&'a str> {
        word(self.names, "SYSCALL")
    }

    /// What a program said, in parts.
    pub(super) fn said(&self) -> Said<'a> {
        Said::of(self.message)
    }
}

/// A program's own record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Said<'a> {
    /// What was done; a program's text, which may hold names.
    pub(super) operation: &'a str,
    /// As it stands; see [`text`].
    pub(super) account: &'a str,
    /// Number of the account where its name was not told.
    pub(super) id: &'a str,
    pub(super) command: &'a str,
    pub(super) program: &'a str,
    pub(super) address: &'a str,
    pub(super) result: &'a str,
}

impl<'a> Said<'a> {
    fn of(message: &'a str) -> Self {
        let mut rest = message;
        // From the end; a value there has no space.
        let mut last = |name: &str| match rest.rsplit_once(name) {
            Some((before, value)) if !value.contains(' ') => {
                rest = before;
                value
            }
            _ => "",
        };
        let result = last(" res=");
        let _ = last(" terminal=");
        let address = last(" addr=");
        let _ = last(" hostname=");
        let program = last(" exe=");
        let command = last(" cmd=");
        let mut said = Self {
            command,
            program,
            address: if address == "?" { "" } else { address },
            result,
            ..Self::default()
        };
        if let Some((before, account)) = rest.rsplit_once(" acct=") {
            (rest, said.account) = (before, account);
        } else if let Some((before, id)) = rest.rsplit_once(" id=") {
            (rest, said.id) = (before, id);
        }
        let operation = rest.strip_prefix("op=").unwrap_or("");
        said.operation = operation
            .split_once(" grantors=")
            .map_or(operation, |(operation, _)| operation)
            .trim();
        said
    }
}

/// The value of `name=…` among words with spaces between.
pub(super) fn word<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.split(' ')
        .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

/// A value's text: in quotes, or in hexadecimal; nothing for `?` and `(null)`.
pub(super) fn text(value: &str) -> String {
    if let Some(quoted) = value.strip_prefix('"') {
        return quoted.strip_suffix('"').unwrap_or(quoted).to_owned();
    }
    if matches!(value, "?" | "(null)" | "(none)") {
        return String::new();
    }
    match unhex(value.as_bytes()) {
        Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        None => value.to_owned(),
    }
}

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    if text.is_empty() || text.len() % 2 == 1 {
        return None;
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    };
    text.chunks_exact(2)
        .map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.last()?)?))
        .collect()
}
