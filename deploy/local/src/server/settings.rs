//! What a session is told before its statement: settings, database, access.

use super::fault::Fault;
use super::request::Request;
use crate::engine::Session;

/// Settings, database, access: in that order, since a read-only session can set nothing more.
pub(super) fn prepare(
    session: &mut Session,
    request: &Request,
    defaults: &[(String, Vec<u8>)],
) -> Result<(), Fault> {
    let mut sql = b"SET ".to_vec();
    let mut comment = request.query_id.clone().into_bytes();
    for (name, value) in defaults.iter().chain(&request.settings) {
        if name == "log_comment" {
            comment.push(b' ');
            comment.extend_from_slice(value);
            continue;
        }
        append_setting(&mut sql, name, value);
        sql.extend_from_slice(b", ");
    }
    // The only name by which another session can find this one's query, to cancel it.
    append_setting(&mut sql, "log_comment", &comment);
    session.run(&sql)?;
    if let Some(database) = request.database.as_deref().filter(|name| !name.is_empty()) {
        session.run(
            format!(
                "USE `{}`",
                database.replace('\\', "\\\\").replace('`', "\\`")
            )
            .as_bytes(),
        )?;
    }
    if let Some(readonly) = &request.readonly {
        let mut sql = b"SET ".to_vec();
        append_setting(&mut sql, "readonly", readonly);
        session.run(&sql)?;
    }
    Ok(())
}

fn append_setting(sql: &mut Vec<u8>, name: &str, value: &[u8]) {
    sql.extend_from_slice(name.as_bytes());
    sql.push(b'=');
    sql.extend_from_slice(&quoted(value));
}

/// `value` as a string literal.
pub(super) fn quoted(value: &[u8]) -> Vec<u8> {
    let mut out = vec![b'\''];
    for byte in value {
        if matches!(byte, b'\'' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'\'');
    out
}
