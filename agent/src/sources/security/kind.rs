//! The kinds of events: their names in rows, their OCSF class and activity, their severity.
//!
//! Classes and activities are those of OCSF 1.3: 0 Base Event, 1007 Process Activity (1 launch),
//! 2004 Detection Finding (1 create), 3001 Account Change (1 create, 2 enable, 3 password change,
//! 4 password reset, 6 delete, 9 lock), 3002 Authentication (1 logon, 2 logoff), 3003 Authorize
//! Session (1 assign privileges), 3006 Group Management (3 add user, 4 remove user, 5 delete,
//! 6 create), 4002 HTTP Activity (1 connect,
//! 2 delete, 3 get, 4 head, 5 options, 6 post, 7 put, 8 trace), 6001 Web Resources Activity (4 delete, 7 export), 6002 Application Lifecycle (3 start, 4 stop);
//! 99 is an activity that the class does not number.
//!
//! Severity: 1 for what is as it should be (logins that succeed, ends of sessions, commands that
//! are allowed), 2 for a single failure and for changes of accounts, 3 for an account that asked
//! for rights it does not have or tried until it was thrown out, and for what makes auditing weaker.
//! What gives an account the rights of root, or switches auditing off, is 4
//! ([`super::event::Event::severity_at_least`]).

/// How it ended, numbered as in OCSF.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Status {
    /// The line does not say.
    #[default]
    Unknown = 0,
    Success = 1,
    Failure = 2,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $class:literal, $activity:literal;)+) => {
        /// What happened.
        ///
        /// One attempt to log in is one `ssh_login` or one `app_login`; other kinds add what else
        /// the programs, PAM and auditd say about it, so that counting these counts attempts.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Kind { $($(#[$doc])* $variant,)+ }

        impl Kind {
            #[cfg(test)]
            pub(super) const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Name in rows.
            pub(super) const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            const fn numbers(self) -> (u32, u32) {
                match self { $(Self::$variant => ($class, $activity),)+ }
            }
        }
    };
}

kinds! {
    /// sshd accepted or refused one attempt.
    SshLogin = "ssh_login", 3002, 1;
    /// A login name that does not exist, ahead of its attempts.
    SshInvalidUser = "ssh_invalid_user", 3002, 1;
    /// An account that sshd's rules shut out, ahead of its attempts.
    SshUserRefused = "ssh_user_refused", 3002, 1;
    /// A connection was thrown out for too many attempts.
    SshAttemptsExceeded = "ssh_attempts_exceeded", 3002, 1;
    /// A connection that did not log in within the time.
    SshTimeout = "ssh_timeout", 3002, 1;
    /// A connection ended; `preauth` in the detail: without a login.
    SshDisconnect = "ssh_disconnect", 3002, 2;
    /// Something that does not speak SSH.
    SshProbe = "ssh_probe", 3002, 1;
    /// A command by sudo, allowed or refused.
    SudoCommand = "sudo_command", 3003, 1;
    /// Wrong passwords for sudo, or none.
    SudoPassword = "sudo_password", 3002, 1;
    /// A change of user by su, done or refused.
    SuSession = "su_session", 3003, 1;
    /// PAM's own view of a failed authentication.
    PamAuthentication = "pam_authentication", 3002, 1;
    /// PAM opened a session.
    SessionOpened = "session_opened", 3002, 1;
    /// PAM closed a session.
    SessionClosed = "session_closed", 3002, 2;

    /// A new account, or one that could not be made.
    AccountCreated = "account_created", 3001, 1;
    /// An account is gone.
    AccountDeleted = "account_deleted", 3001, 6;
    /// Name, number, home, shell, expiry or other properties changed; the detail says which.
    AccountChanged = "account_changed", 3001, 99;
    /// The password was locked.
    AccountLocked = "account_locked", 3001, 9;
    /// The password was unlocked.
    AccountUnlocked = "account_unlocked", 3001, 2;
    /// A password changed, by whomever.
    PasswordChanged = "password_changed", 3001, 3;
    /// Somebody else set the password, or asked for that.
    PasswordReset = "password_reset", 3001, 4;
    /// A new group.
    GroupCreated = "group_created", 3006, 6;
    /// A group is gone.
    GroupDeleted = "group_deleted", 3006, 5;
    /// Name, number, password or administrators of a group, or all its members at once.
    GroupChanged = "group_changed", 3006, 99;
    /// An account joined a group: the group is in the detail.
    GroupMemberAdded = "group_member_added", 3006, 3;
    /// An account left a group: the group is in the detail.
    GroupMemberRemoved = "group_member_removed", 3006, 4;

    /// One attempt to log in to an application.
    AppLogin = "app_login", 3002, 1;
    /// Somebody left an application.
    AppLogout = "app_logout", 3002, 2;
    /// Records left an application as a file; `records` says how many.
    DataExport = "data_export", 6001, 7;
    /// Records were deleted in an application; `records` says how many.
    DataDelete = "data_delete", 6001, 4;

    /// auditd's view of a login.
    AuditLogin = "audit_login", 3002, 1;
    /// auditd's view of an authentication.
    AuditAuthentication = "audit_authentication", 3002, 1;
    /// auditd's view of a command by sudo.
    AuditCommand = "audit_command", 3003, 1;
    /// auditd's view of a new account.
    AuditAccountCreated = "audit_account_created", 3001, 1;
    /// auditd's view of an account that is gone.
    AuditAccountDeleted = "audit_account_deleted", 3001, 6;
    /// auditd's view of a change of an account or its password.
    AuditAccountChanged = "audit_account_changed", 3001, 99;
    /// auditd's view of a new group.
    AuditGroupCreated = "audit_group_created", 3006, 6;
    /// auditd's view of a group that is gone.
    AuditGroupDeleted = "audit_group_deleted", 3006, 5;
    /// auditd's view of a change of a group.
    AuditGroupChanged = "audit_group_changed", 3006, 99;
    /// auditd began.
    AuditStarted = "audit_started", 6002, 3;
    /// auditd ended or gave up.
    AuditStopped = "audit_stopped", 6002, 4;
    /// A rule was added or removed, or auditing switched off or on.
    AuditConfigChanged = "audit_config_changed", 6002, 99;
    /// Something the kernel or a program calls abnormal.
    AuditAnomaly = "audit_anomaly", 2004, 1;
    /// A mandatory access control (SELinux, AppArmor) refused something.
    AuditAccessDenied = "audit_access_denied", 0, 99;
    /// A watched file was touched, or another rule with a key matched: the key is the method.
    AuditRuleMatched = "audit_rule_matched", 0, 99;
    /// A program ran that a rule with a key watches for.
    AuditProgramRun = "audit_program_run", 1007, 1;

    /// A request that a rule matched; the activity is that of its method.
    WebRequest = "web_request", 4002, 99;
}

impl Kind {
    /// What logs of applications may tell.
    pub(super) const OF_APPLICATIONS: [Self; 13] = [
        Self::AppLogin,
        Self::AppLogout,
        Self::DataExport,
        Self::DataDelete,
        Self::AccountCreated,
        Self::AccountDeleted,
        Self::AccountChanged,
        Self::AccountLocked,
        Self::AccountUnlocked,
        Self::PasswordChanged,
        Self::PasswordReset,
        Self::GroupMemberAdded,
        Self::GroupMemberRemoved,
    ];

    /// OCSF class and activity.
    pub(super) fn class(self, status: Status) -> (u32, u32) {
        match (self, status) {
            // Before a login there is nothing to log off from.
            (Self::SshDisconnect, Status::Unknown) => (3002, 1),
            _ => self.numbers(),
        }
    }

    pub(super) fn severity(self, status: Status) -> u32 {
        match (self, status) {
            (
                Self::SshAttemptsExceeded
                | Self::AuditStopped
                | Self::AuditAnomaly
                | Self::AuditAccessDenied,
                _,
            )
            | (Self::SudoCommand | Self::AuditCommand, Status::Failure) => 3,
            (_, Status::Failure) => 2,
            (
                Self::AccountCreated
                | Self::AccountDeleted
                | Self::AccountChanged
                | Self::AccountLocked
                | Self::AccountUnlocked
                | Self::PasswordReset
                | Self::GroupCreated
                | Self::GroupDeleted
                | Self::GroupChanged
                | Self::GroupMemberAdded
                | Self::GroupMemberRemoved
                | Self::AuditAccountCreated
                | Self::AuditAccountDeleted
                | Self::AuditAccountChanged
                | Self::AuditGroupCreated
                | Self::AuditGroupDeleted
                | Self::AuditGroupChanged
                | Self::AuditConfigChanged
                | Self::AuditRuleMatched,
                _,
            ) => 2,
            (_, Status::Success | Status::Unknown) => 1,
        }
    }
}
