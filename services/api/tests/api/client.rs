use std::net::TcpListener;

use strowger_api_service::client::{Client, ClientError};
use strowger_api_service::view::{NewNumber, NewTenant, NewUser, To};

use crate::platform::Platform;

async fn blocking<T: Send + 'static>(what: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(what).await.unwrap()
}

#[tokio::test]
async fn the_command_line_does_what_the_api_does() {
    let platform = Platform::idle().await;
    let client = Client::of(platform.address, &platform.dir).unwrap();
    blocking(move || {
        let tenant = NewTenant { name: "red".into(), domains: vec!["red.example".into()], fallback: true };
        assert!(client.add_tenant(&tenant).unwrap().fallback);
        for number in 0..1_005 {
            let user = NewUser { name: format!("u{number:04}"), password: "x".into(), ..NewUser::default() };
            client.add_user("red", &user).unwrap();
        }
        assert_eq!(client.users("red").unwrap().len(), 1_005, "all pages");
        let number = NewNumber { number: "+49*1#".into(), to: To::User("u0001".into()) };
        client.add_number("red", &number).unwrap();
        assert_eq!(client.numbers("red").unwrap()[0].number, "49*1#");
        client.remove_number("red", "49*1#").unwrap();
        client.remove_user("red", "u0001").unwrap();
        let error = client.remove_user("red", "u0001").unwrap_err();
        assert_eq!(error.to_string(), r#"there is no user "u0001""#);
        client.remove_tenant("red").unwrap();
        assert_eq!(client.tenants().unwrap(), []);
        assert!(client.calls().unwrap().is_empty() && client.registrations().unwrap().is_empty());
        assert!(client.records(10).unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_platform_that_does_not_run_is_said_not_to() {
    let platform = Platform::idle().await;
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = Client::of(nobody, &platform.dir).unwrap();
    let error = blocking(move || client.tenants().unwrap_err()).await;
    assert!(matches!(error, ClientError::NotRunning { .. }));
    assert!(error.to_string().ends_with("start it with `strowger serve`"), "{error}");
    let error = Client::of(platform.address, &platform.dir.join("elsewhere")).unwrap_err();
    assert!(error.to_string().contains("api-token"), "{error}");
}
