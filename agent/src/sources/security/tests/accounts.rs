use super::super::event::{self, Kind, Meaning, Status};
use super::super::message::{Program, parse};

/// Kind, status, user, target user, detail, severity.
type Expected = (Kind, Status, &'static str, &'static str, &'static str, u32);

fn check(program: &str, message: &str, expected: Expected) {
    let program = Program::of(program).unwrap();
    let Meaning::Event(event) = parse(program, message) else {
        panic!("{message:?} is {:?}", parse(program, message));
    };
    let origin = event::Origin {
        time_ms: 0,
        service: program.name(),
        process_id: 0,
        event_id: [0; 16],
    };
    let severity = event::row(&event, &origin).event.severity_id;
    let found = (
        event.kind,
        event.status,
        event.user,
        event.target_user,
        event.detail,
        severity,
    );
    assert_eq!(found, expected, "{message:?}");
    assert_eq!(event.address, "");
}

/// Lines that Debian's shadow 4.13 wrote.
#[test]
#[rustfmt::skip]
fn lines_of_the_programs_that_change_accounts() {
    use Kind::*;
    use Status::*;
    for (program, message, expected) in [
        ("useradd", "new user: name=alice, UID=1000, GID=1000, home=/home/alice, shell=/bin/bash, from=none", (AccountCreated, Success, "", "alice", "UID=1000, GID=1000, home=/home/alice, shell=/bin/bash, from=none", 2)),
        ("useradd", "new user: name=toor, UID=0, GID=0, home=/root, shell=/bin/sh, from=/dev/pts/1", (AccountCreated, Success, "", "toor", "UID=0, GID=0, home=/root, shell=/bin/sh, from=/dev/pts/1", 4)),
        ("useradd", "new group: name=alice, GID=1000", (GroupCreated, Success, "", "", "name=alice, GID=1000", 2)),
        ("useradd", "add 'bob' to group 'sudo'", (GroupMemberAdded, Success, "", "bob", "sudo", 4)),
        ("useradd", "failed adding user 'alice', exit code: 9", (AccountCreated, Failure, "", "alice", "exit code: 9", 2)),
        ("usermod", "add 'alice' to group 'sales'", (GroupMemberAdded, Success, "", "alice", "sales", 2)),
        ("usermod", "delete 'alicia' from group 'sudo'", (GroupMemberRemoved, Success, "", "alicia", "sudo", 2)),
        ("usermod", "change user 'bob' password", (PasswordReset, Success, "", "bob", "", 2)),
        ("usermod", "lock user 'bob' password", (AccountLocked, Success, "", "bob", "", 2)),
        ("usermod", "unlock user 'bob' password", (AccountUnlocked, Success, "", "bob", "", 2)),
        ("usermod", "change user 'alice' UID from '1000' to '1500'", (AccountChanged, Success, "", "alice", "UID from '1000' to '1500'", 2)),
        ("usermod", "change user 'alice' UID from '1000' to '0'", (AccountChanged, Success, "", "alice", "UID from '1000' to '0'", 4)),
        ("usermod", "change user 'alice' shell from '/bin/bash' to '/bin/sh'", (AccountChanged, Success, "", "alice", "shell from '/bin/bash' to '/bin/sh'", 2)),
        ("usermod", "change user 'bob' expiration from 'never' to '2027-01-01'", (AccountChanged, Success, "", "bob", "expiration from 'never' to '2027-01-01'", 2)),
        ("usermod", "change user name 'alice' to 'alicia'", (AccountChanged, Success, "", "alice", "to 'alicia'", 2)),
        ("groupadd", "new group: name=sales, GID=1002", (GroupCreated, Success, "", "", "name=sales, GID=1002", 2)),
        ("groupmod", "group changed in /etc/group (group sales/1002, new name: sellers)", (GroupChanged, Success, "", "", "sales/1002, new name: sellers", 2)),
        ("groupmod", "group changed in /etc/group (group sellers/1002, new gid: 0)", (GroupChanged, Success, "", "", "sellers/1002, new gid: 0", 4)),
        ("gpasswd", "user bob added by root to group sellers", (GroupMemberAdded, Success, "root", "bob", "sellers", 2)),
        ("gpasswd", "user bob added by root to group wheel", (GroupMemberAdded, Success, "root", "bob", "wheel", 4)),
        ("gpasswd", "user bob removed by root from group sellers", (GroupMemberRemoved, Success, "root", "bob", "sellers", 2)),
        ("gpasswd", "administrators of group sellers set by root to bob", (GroupChanged, Success, "root", "", "sellers set by root to bob", 2)),
        ("gpasswd", "members of group sudo set by root to bob,alicia", (GroupChanged, Success, "root", "", "sudo set by root to bob,alicia", 4)),
        ("gpasswd", "password of group sellers removed by root", (GroupChanged, Success, "root", "", "sellers removed by root", 2)),
        ("gpasswd", "access to group sellers restricted by root", (GroupChanged, Success, "root", "", "sellers restricted by root", 2)),
        ("chage", "changed password expiry for bob", (AccountChanged, Success, "", "bob", "password expiry", 2)),
        ("chsh", "changed user 'bob' shell to '/bin/bash'", (AccountChanged, Success, "", "bob", "shell to '/bin/bash'", 2)),
        ("chfn", "changed user 'bob' information", (AccountChanged, Success, "", "bob", "information", 2)),
        ("passwd", "password for 'bob' changed by 'root'", (PasswordReset, Success, "root", "bob", "", 2)),
        ("passwd", "password for 'bob' changed by 'bob'", (PasswordChanged, Success, "bob", "bob", "", 1)),
        ("passwd", "pam_unix(passwd:chauthtok): password changed for carol", (PasswordChanged, Success, "", "carol", "", 1)),
        ("chpasswd", "pam_unix(chpasswd:chauthtok): password changed for carol", (PasswordChanged, Success, "", "carol", "", 1)),
        ("newusers", "pam_unix(newusers:chauthtok): password changed for dave", (PasswordChanged, Success, "", "dave", "", 1)),
        ("userdel", "delete user 'bob'\n", (AccountDeleted, Success, "", "bob", "", 2)),
        ("userdel", "delete 'bob' from group 'sudo'\n", (GroupMemberRemoved, Success, "", "bob", "sudo", 2)),
        ("userdel", "removed group 'bob' owned by 'bob'\n", (GroupDeleted, Success, "", "", "bob", 2)),
        ("groupdel", "group 'temp' removed\n", (GroupDeleted, Success, "", "", "temp", 2)),
        ("groupdel", "failed to remove group temp", (GroupDeleted, Failure, "", "", "temp", 2)),
        ("gpasswd", "message repeated 2 times: [ user bob added by root to group wheel]", (GroupMemberAdded, Success, "root", "bob", "wheel", 4)),
    ] {
        check(program, message, expected);
    }
}

/// Each change is told once, whatever the files it is written to.
#[test]
fn echoes_are_no_events() {
    for (program, message) in [
        (
            "groupadd",
            "group added to /etc/group: name=sales, GID=1002",
        ),
        ("groupadd", "group added to /etc/gshadow: name=sales"),
        ("useradd", "add 'bob' to shadow group 'sudo'"),
        ("usermod", "change 'alice' to 'alicia' in group 'sudo'"),
        (
            "usermod",
            "change 'alice' to 'alicia' in shadow group 'sudo'",
        ),
        ("usermod", "change admin 'a' to 'b' in shadow group 'sudo'"),
        ("usermod", "delete 'alicia' from shadow group 'sudo'"),
        ("usermod", "add 'a' to group 'sudo' to shadow group 'sudo'"),
        (
            "groupmod",
            "group changed in /etc/gshadow (group sales, new name: sellers)",
        ),
        (
            "groupmod",
            "group changed in /etc/passwd (group sellers/1002, new gid: 2000)",
        ),
        ("groupdel", "group 'temp' removed from /etc/group"),
        ("userdel", "removed shadow group 'bob' owned by 'bob'\n"),
        ("userdel", "delete 'bob' from shadow group 'sudo'\n"),
        ("passwd", "pam_limits(passwd:session): something"),
    ] {
        let program = Program::of(program).unwrap();
        assert_eq!(parse(program, message), Meaning::Nothing, "{message}");
    }
    for message in [
        "",
        "new user: name=x",
        "add 'x' to group sudo",
        "add 'x' to group 'sudo",
        "delete user 'x",
        "change user 'x' colour from 'red' to 'blue'",
        "user x added to group y",
        "failed to unlock /etc/passwd",
        "Accepted password for root from 9.9.9.9 port 1 ssh2",
        "hello",
    ] {
        assert_eq!(
            parse(Program::of("usermod").unwrap(), message),
            Meaning::Unknown,
            "{message}"
        );
    }
    assert_eq!(Program::of("useradd2"), None);
}

/// Names that look like the rest of a line change neither the group nor the account, and hide no
/// rights of root. Most of these were written by shadow, which takes such names with `--badname`.
#[test]
#[rustfmt::skip]
fn odd_names_stay_names() {
    use Kind::*;
    use Status::*;
    for (program, message, expected) in [
        ("usermod", "add 'a' to group 'sudo' to group 'users'", (GroupMemberAdded, Success, "", "a' to group 'sudo", "users", 2)),
        ("usermod", "add 'a' to shadow group 'x' to group 'sudo'", (GroupMemberAdded, Success, "", "a' to shadow group 'x", "sudo", 4)),
        ("useradd", "new user: name=n, UID=0, GID=0, home=y, UID=3004, GID=3004, home=/home/n, UID=0, GID=0, home=y, shell=/bin/bash, from=none", (AccountCreated, Success, "", "n", "UID=0, GID=0, home=y, UID=3004, GID=3004, home=/home/n, UID=0, GID=0, home=y, shell=/bin/bash, from=none", 4)),
        ("useradd", "new user: name=n, UID=5, GID=5, home=y, UID=0, GID=0, home=/root, shell=/bin/sh, from=none", (AccountCreated, Success, "", "n", "UID=5, GID=5, home=y, UID=0, GID=0, home=/root, shell=/bin/sh, from=none", 4)),
        ("usermod", "change user 'n' shell from 'a' UID from '5' to '0'", (AccountChanged, Success, "", "n", "shell from 'a' UID from '5' to '0'", 4)),
        ("usermod", "add 'a' to group 'sudo' to group 'sudo'", (GroupMemberAdded, Success, "", "a' to group 'sudo", "sudo", 4)),
        ("useradd", "failed adding user 'new\nline', exit code: 1", (AccountCreated, Failure, "", "new\nline", "exit code: 1", 2)),
        ("gpasswd", "user x from 6.6.6.6 added by root to group sudo", (GroupMemberAdded, Success, "root", "x from 6.6.6.6", "sudo", 4)),
        ("userdel", "delete 'a' from shadow group 'b' from group 'sales'", (GroupMemberRemoved, Success, "", "a' from shadow group 'b", "sales", 2)),
        ("useradd", "failed adding user 'x', exit code: 0', exit code: 9", (AccountCreated, Failure, "", "x', exit code: 0", "exit code: 9", 2)),
        ("gpasswd", "user a to group sudo added by root to group sales", (GroupMemberAdded, Success, "root", "a to group sudo", "sales", 2)),
        ("gpasswd", "user a added by b added by root to group sales", (GroupMemberAdded, Success, "root", "a added by b", "sales", 2)),
        ("passwd", "password for 'x' changed by 'y' changed by 'root'", (PasswordReset, Success, "root", "x' changed by 'y", "", 2)),
        ("passwd", "pam_unix(passwd:chauthtok): password changed for x from 6.6.6.6 port 22 ssh2", (PasswordChanged, Success, "", "x from 6.6.6.6 port 22 ssh2", "", 1)),
        ("userdel", "delete user 'x from 6.6.6.6 port 22 ssh2'", (AccountDeleted, Success, "", "x from 6.6.6.6 port 22 ssh2", "", 2)),
        ("userdel", "delete user 'a\u{1b}[31m#012b'", (AccountDeleted, Success, "", "a\u{1b}[31m#012b", "", 2)),
        ("groupdel", "group 'x' removed from /etc/group' removed", (GroupDeleted, Success, "", "", "x' removed from /etc/group", 2)),
    ] {
        check(program, message, expected);
    }
}

#[test]
fn kinds_have_names_of_their_own_and_numbers_that_fit() {
    let mut names: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Kind::ALL.len());
    for kind in Kind::ALL {
        for status in [Status::Unknown, Status::Success, Status::Failure] {
            let (class, activity) = kind.class(status);
            assert!(class <= 65_535 && activity <= 99, "{kind:?}");
            assert!((1..=6).contains(&kind.severity(status)), "{kind:?}");
        }
    }
}
