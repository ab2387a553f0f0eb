//! `/v1/openapi.json` and its copy in the documentation.

use cassmail_admin::description;

use crate::house::House;

/// `cargo xtask docs` writes it anew.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "no setting: whoever runs the test says so"
)]
fn the_description_in_the_documentation_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/api/openapi.json");
    let text = format!("{:#}\n", description());
    if std::env::var("CASSMAIL_BLESS").is_ok_and(|value| value == "1") {
        std::fs::write(path, &text).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(found == text, "write it anew with: cargo xtask docs");
}

#[tokio::test]
async fn the_api_describes_itself() {
    let house = House::empty();
    assert_eq!(house.get("/v1/openapi.json").await.json(), description());
}
