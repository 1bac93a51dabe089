//! Audit records as journald keeps them: the kernel sends them to journald where no auditd runs.
//!
//! Pure. journald puts the type's name before the record's fields (`MESSAGE`) and keeps the type's
//! number, the serial and the time apart; what it makes of them here is the line that auditd would
//! write. `_TRANSPORT` is journald's own word, so that no program can pass for the kernel.

use std::fmt::Write as _;

/// Types that can be events, by their numbers in `linux/audit.h` and `libaudit.h`; journald does
/// not know the names of all.
const TYPES: [(u32, &str); 23] = [
    (1100, "USER_AUTH"),
    (1101, "USER_ACCT"),
    (1102, "USER_MGMT"),
    (1107, "USER_AVC"),
    (1108, "USER_CHAUTHTOK"),
    (1112, "USER_LOGIN"),
    (1114, "ADD_USER"),
    (1115, "DEL_USER"),
    (1116, "ADD_GROUP"),
    (1117, "DEL_GROUP"),
    (1123, "USER_CMD"),
    (1132, "GRP_MGMT"),
    (1133, "GRP_CHAUTHTOK"),
    (1135, "ACCT_LOCK"),
    (1136, "ACCT_UNLOCK"),
    (1300, "SYSCALL"),
    (1305, "CONFIG_CHANGE"),
    (1400, "AVC"),
    (1700, "ANOM_PROMISCUOUS"),
    (1701, "ANOM_ABEND"),
    (1702, "ANOM_LINK"),
    (2100, "ANOM_LOGIN_FAILURES"),
    (2103, "ANOM_LOGIN_ACCT"),
];

/// The numbers of the types, as the journal has them.
pub(in crate::sources::security) fn types() -> impl Iterator<Item = String> {
    TYPES.iter().map(|(number, _)| number.to_string())
}

/// What journalctl is asked for besides programs' names.
pub(in crate::sources::security) fn matches() -> impl Iterator<Item = String> {
    ["+".to_owned(), "_TRANSPORT=audit".to_owned()]
        .into_iter()
        .chain(types().map(|number| format!("_AUDIT_TYPE={number}")))
}

/// The line that auditd would write of a record. `None` for other types.
pub(in crate::sources::security) fn line(
    number: u32,
    serial: &str,
    time_ms: i64,
    message: &str,
) -> Option<String> {
    let (_, name) = TYPES.iter().find(|(known, _)| *known == number)?;
    let (_name, fields) = message.split_once(' ')?;
    let mut line = String::with_capacity(fields.len() + 64);
    let (seconds, milliseconds) = (time_ms.div_euclid(1000), time_ms.rem_euclid(1000));
    let _ = write!(
        line,
        "type={name} msg=audit({seconds}.{milliseconds:03}:{serial}): {fields}"
    );
    Some(line)
}
