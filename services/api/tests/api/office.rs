use contract::TenantId;
use contract::account::{Destination, Found, ListTenants, LookUp};

use crate::platform::Platform;

async fn look_up(platform: &Platform, tenant: TenantId, name: &str) -> Found {
    platform.bus.ask(None, &LookUp { tenant, name: name.into() }).await.unwrap()
}

#[tokio::test]
async fn an_exchange_learns_who_a_user_or_a_number_is_within_a_tenant() {
    let platform = Platform::idle().await;
    let (red, blue) = (platform.tenant("red").await, platform.tenant("blue").await);
    for (tenant, password) in [("red", "r"), ("blue", "b")] {
        let body =
            format!(r#"{{"name": "1001", "password": "{password}", "number": "+4930{password:.0}123"}}"#);
        assert_eq!(platform.post(&format!("/v1/tenants/{tenant}/users"), &body).await.status, 201);
    }
    let echo = r#"{"number": "99", "to": {"app": "echo"}}"#;
    assert_eq!(platform.post("/v1/tenants/red/numbers", echo).await.status, 201);
    let (Found::User(of_red), Found::User(of_blue)) =
        (look_up(&platform, red, "1001").await, look_up(&platform, blue, "1001").await)
    else {
        panic!()
    };
    assert_eq!((of_red.realm.as_str(), of_blue.realm.as_str()), ("red.example", "blue.example"));
    assert_ne!(of_red.ha1_sha256, of_blue.ha1_sha256);
    let Found::Number(number) = look_up(&platform, red, "+99").await else { panic!() };
    assert_eq!(number.to, Destination::App { name: "echo".into() });
    let Found::Number(number) = look_up(&platform, red, "+4930123").await else { panic!() };
    assert_eq!(number.to, Destination::User { name: "1001".into() });
    assert_eq!(look_up(&platform, blue, "99").await, Found::Nobody);
}

#[tokio::test]
async fn an_exchange_learns_which_tenants_there_are() {
    let platform = Platform::idle().await;
    platform.tenant("red").await;
    platform.tenant("blue").await;
    let tenants = platform.bus.ask(None, &ListTenants::default()).await.unwrap().tenants;
    let names: Vec<_> =
        tenants.iter().map(|tenant| (tenant.name.as_str(), tenant.domains[0].as_str())).collect();
    assert_eq!(names, [("red", "red.example"), ("blue", "blue.example")]);
}
