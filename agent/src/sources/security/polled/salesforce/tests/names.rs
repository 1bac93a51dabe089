//! Users of whom a record has only an id are told by the names of their logins.

use super::*;

const ADA: &str = "0055j00000AT6I1AAL";

/// A file of exports by some users.
fn exports(number: u32, now_ms: i64, ids: &[&str]) -> Served {
    let head = "EVENT_TYPE,TIMESTAMP,USER_ID,TIMESTAMP_DERIVED,REPORT_DESCRIPTION\n";
    let time = org::written_ms(now_ms).replace("+0000", "Z");
    let line = |id: &&str| format!("ReportExport,20261125050831.655,{id},{time},Leads\n");
    Served {
        of: "ReportExport",
        text: head.to_owned() + &ids.iter().map(line).collect::<String>(),
        ..logins(number, now_ms, now_ms, &[])
    }
}

#[test]
fn exports_and_logins_have_the_same_user() {
    let service = Service::start();
    let now_ms = crate::clock::wall_ms();
    service.state.lock().unwrap().users = vec![(ADA, "Ada@acme.example")];
    // Typed with capitals, as people do.
    let head = "EVENT_TYPE,TIMESTAMP,USER_ID,USER_NAME,LOGIN_STATUS\n";
    let digits: String = org::written_ms(now_ms)
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    let time = format!("{}.{}", &digits[..14], &digits[14..17]);
    service.add(Served {
        text: format!(
            "{head}Login,{time},{},ADA@acme.example,LOGIN_NO_ERROR\n",
            &ADA[..15]
        ),
        ..logins(0, now_ms - 5, now_ms, &[])
    });
    // One whom the org does not show, and what is no user at all.
    let others = ["0055j00000AT6I9", "x' OR Id != '"];
    service.add(exports(1, now_ms, &[&ADA[..15], ADA, others[0], others[1]]));
    let mut harness = Salesforce::of(vec![config(&service)]);
    harness.settled();
    let ada = "ada@acme.example";
    assert_eq!(harness.users(), [ada, ada, ada, others[0], others[1]]);
    // Another file asks for nobody who is known.
    service.add(exports(2, now_ms + 1, &[ADA, others[0]]));
    harness.until("both", |harness| harness.users().len() == 7);
    harness.settled();
    assert_eq!(harness.users()[5..], [ada, others[0]]);
    let queries = service.state.lock().unwrap().user_queries.clone();
    let asked = "SELECT Id, Username FROM User WHERE Id IN ('0055j00000AT6I1','0055j00000AT6I9')";
    assert_eq!(queries, [asked]);
}

#[test]
fn many_users_are_asked_for_in_queries_that_fit() {
    let service = Service::start();
    let now_ms = crate::clock::wall_ms();
    let ids: Vec<String> = (0..1200)
        .map(|number| format!("0055j{number:010}"))
        .collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    service.add(exports(0, now_ms, &ids));
    let mut harness = Salesforce::of(vec![config(&service)]);
    harness.settled();
    assert_eq!(harness.users(), ids);
    let queries = service.state.lock().unwrap().user_queries.clone();
    // Chunks of 500 events, queries of 200 users.
    assert_eq!(queries.len(), 3 + 3 + 1);
}

#[test]
fn where_names_are_refused_ids_stand_for_them_and_that_is_told() {
    let service = Service::start();
    let now_ms = crate::clock::wall_ms();
    let refused = r#"[{"message":"no","errorCode":"INSUFFICIENT_ACCESS"}]"#;
    service.state.lock().unwrap().nameless = Some(Reply::refusal(403, refused));
    service.add(exports(0, now_ms, &[ADA]));
    service.add(exports(1, now_ms + 1, &[ADA, "0055j00000AT6I9"]));
    let mut harness = Salesforce::of(vec![config(&service)]);
    harness.fails("the org tells no names of users (status 403, INSUFFICIENT_ACCESS)");
    harness.until("three", |harness| harness.users().len() == 3);
    harness.polled();
    assert_eq!(harness.users(), [ADA, ADA, "0055j00000AT6I9"]);
    let asked = service.state.lock().unwrap().user_queries.len();
    assert_eq!(asked, 1, "not at every file");
}

#[test]
fn what_waits_for_names_is_not_lost_and_not_told_twice() {
    let service = Service::start();
    let now_ms = crate::clock::wall_ms();
    let elsewhere = vec![("Location", "https://evil.example/".to_owned())];
    {
        let mut state = service.state.lock().unwrap();
        state.users = vec![(ADA, "ada@acme.example")];
        state.nameless = Some(Reply::Whole(302, "text/html", Vec::new(), elsewhere));
    }
    service.add(exports(0, now_ms, &[ADA; 3]));
    let mut harness = Salesforce::of(vec![config(&service)]);
    harness.fails("redirects are not followed");
    assert!(harness.users().is_empty());
    service.state.lock().unwrap().nameless = None;
    harness.until("all", |harness| !harness.users().is_empty());
    harness.settled();
    assert_eq!(harness.users(), ["ada@acme.example"; 3]);
}
