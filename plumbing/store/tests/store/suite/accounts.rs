use contract::account::{Destination, Number, Tenant, User};
use strowger_store::{Account, Page, Token};

use super::fresh;
use crate::fresh::NOW;

fn to_user(name: &str) -> Destination {
    Destination::User { name: name.into() }
}

#[tokio::test]
async fn two_tenants_with_the_same_extension_never_meet() {
    let store = fresh().await;
    let (red, blue) = (store.tenant("red").await, store.tenant("blue").await);
    for (tenant, display_name) in [(red, "Rita Red"), (blue, "Bob Blue")] {
        let user = User {
            tenant,
            name: "1001".into(),
            number: Some("49301001".into()),
            display_name: display_name.into(),
            ..User::default()
        };
        store.users().add(NOW, &Account { user, balance: None }).await.unwrap();
    }
    assert_eq!(store.users().named(red, "1001").await.unwrap().user.display_name, "Rita Red");
    assert_eq!(store.users().named(blue, "1001").await.unwrap().user.display_name, "Bob Blue");
    assert_eq!(store.numbers().find(blue, "49301001").await.unwrap().unwrap().to, to_user("1001"));

    assert_eq!(store.users().remove(NOW, red, "1001").await.unwrap(), ["49301001"]);
    assert!(store.users().find(red, "1001").await.unwrap().is_none());
    assert!(store.numbers().find(red, "49301001").await.unwrap().is_none());
    assert!(store.users().find(blue, "1001").await.unwrap().is_some());
    assert!(store.numbers().find(blue, "49301001").await.unwrap().is_some());
}

#[tokio::test]
async fn what_is_there_is_not_added_again_and_what_is_not_there_is_said_to_be_missing() {
    let store = fresh().await;
    let red = store.tenant("red").await;
    store.user(red, "1001", None).await;
    let again = Account { user: User { tenant: red, name: "1001".into(), ..User::default() }, balance: None };
    let error = store.users().add(NOW, &again).await.unwrap_err();
    assert_eq!(error.to_string(), r#"user "1001" exists already"#);
    let error = store.users().remove(NOW, red, "1002").await.unwrap_err();
    assert_eq!(error.to_string(), r#"there is no user "1002""#);
    let number = Number { tenant: red, number: "7".into(), to: to_user("1002") };
    let error = store.numbers().add(NOW, &number).await.unwrap_err();
    assert_eq!(error.to_string(), r#"number "7" cannot lead to user "1002": there is no such user"#);
}

#[tokio::test]
async fn a_user_whose_number_is_taken_is_not_half_added() {
    let store = fresh().await;
    let red = store.tenant("red").await;
    let echo = Number { tenant: red, number: "7".into(), to: Destination::App { name: "echo".into() } };
    store.numbers().add(NOW, &echo).await.unwrap();
    let user = User { tenant: red, name: "1001".into(), number: Some("7".into()), ..User::default() };
    let error = store.users().add(NOW, &Account { user, balance: None }).await.unwrap_err();
    assert_eq!(error.to_string(), r#"number "7" exists already"#);
    assert!(store.users().find(red, "1001").await.unwrap().is_none());
}

#[tokio::test]
async fn a_domain_and_the_fallback_belong_to_one_tenant() {
    let store = fresh().await;
    store.tenant("red").await;
    let tenant = |name: &str, domain: &str, fallback| Tenant {
        name: name.into(),
        domains: vec![domain.into()],
        fallback,
        ..Tenant::default()
    };
    let error = store.tenants().add(NOW, tenant("blue", "red.example", false)).await.unwrap_err();
    assert_eq!(error.to_string(), r#"domain "red.example" belongs to tenant "red""#);
    store.tenants().add(NOW, tenant("blue", "blue.example", true)).await.unwrap();
    let error = store.tenants().add(NOW, tenant("green", "green.example", true)).await.unwrap_err();
    assert_eq!(error.to_string(), r#"tenant "blue" is the fallback already, and there can be one only"#);
    store.tenants().change(NOW, tenant("red", "crimson.example", false)).await.unwrap();
    assert_eq!(store.tenants().named("red").await.unwrap().domains, ["crimson.example"]);
    let all: Vec<_> = store.tenants().all().await.unwrap().into_iter().map(|it| it.domains).collect();
    assert_eq!(all, [["crimson.example"], ["blue.example"]]);
}

#[tokio::test]
async fn the_realm_of_users_passwords_stays() {
    let store = fresh().await;
    let red = store.tenant("red").await;
    store.user(red, "1001", None).await;
    let more = Tenant {
        name: "red".into(),
        domains: vec!["red.example".into(), "also.example".into()],
        ..Tenant::default()
    };
    store.tenants().change(NOW, more).await.unwrap();
    let other = Tenant { name: "red".into(), domains: vec!["also.example".into()], ..Tenant::default() };
    let error = store.tenants().change(NOW, other).await.unwrap_err().to_string();
    assert!(error.starts_with(r#"the first domain of tenant "red" must stay "red.example""#), "{error}");
}

#[tokio::test]
async fn a_tenants_number_is_not_given_to_the_next_one() {
    let store = fresh().await;
    let red = store.tenant("red").await;
    store.user(red, "1001", None).await;
    store.tokens().add(NOW, "hash", &Token { name: "desk".into(), tenant: Some(red) }).await.unwrap();
    store.tenants().remove(NOW, "red").await.unwrap();
    let next = store.tenant("red").await;
    assert_ne!(next, red);
    assert!(store.users().find(red, "1001").await.unwrap().is_none());
    assert!(store.tokens().find("hash").await.unwrap().is_none());
}

#[tokio::test]
async fn pages_go_through_all_users_once() {
    let store = fresh().await;
    let red = store.tenant("red").await;
    let blue = store.tenant("blue").await;
    store.user(blue, "1003", None).await;
    for number in 1001..1008 {
        store.user(red, &number.to_string(), None).await;
    }
    let (mut page, mut names) = (Page { after: None, limit: 3 }, Vec::new());
    loop {
        let part = store.users().page(red, &page).await.unwrap();
        names.extend(part.items.into_iter().map(|account| account.user.name));
        page.after = part.next;
        if page.after.is_none() {
            break;
        }
    }
    let all: Vec<_> = (1001..1008).map(|number| number.to_string()).collect();
    assert_eq!(names, all);
}

#[tokio::test]
async fn a_token_opens_one_tenant_or_everything() {
    let store = fresh().await;
    let red = store.tenant("red").await;
    let operator = Token { name: "first".into(), tenant: None };
    let desk = Token { name: "desk".into(), tenant: Some(red) };
    store.tokens().add(NOW, "aa", &operator).await.unwrap();
    store.tokens().add(NOW, "bb", &desk).await.unwrap();
    assert_eq!(store.tokens().find("aa").await.unwrap(), Some(operator.clone()));
    assert_eq!(store.tokens().of(Some(red)).await.unwrap(), [desk]);
    assert_eq!(store.tokens().of(None).await.unwrap(), [operator]);
    store.tokens().remove(Some(red), "desk").await.unwrap();
    assert!(store.tokens().find("bb").await.unwrap().is_none());
}
