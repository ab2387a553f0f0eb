//! `/v1/store`.

use serde_json::json;

use crate::house::{House, Keeper};

#[tokio::test]
async fn a_backup_goes_where_it_is_told_and_is_reported() {
    let house = House::empty();
    let body = json!({ "folder": "/backup/today" });
    let done = house.post("/v1/store/backup", &body).await;
    assert_eq!(done.status, 200);
    let report = json!({ "is_well": true, "lines": ["2 segments copied"] });
    assert_eq!(done.json(), report);
    let backups = house.keeper.backups.lock().unwrap();
    assert_eq!(*backups, [std::path::Path::new("/backup/today")]);
}

#[tokio::test]
async fn a_backup_to_a_relative_folder_is_refused_since_the_service_is_elsewhere() {
    let house = House::empty();
    let relative = json!({ "folder": "today" });
    assert_eq!(
        house.post("/v1/store/backup", &relative).await.problem(422),
        "folder: expected an absolute path"
    );
    assert!(house.keeper.backups.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_check_that_found_something_and_one_that_was_not_possible_are_told_apart() {
    let house = House::empty();
    let found = house.post("/v1/store/check", &json!(null)).await;
    let report = json!({ "is_well": false, "lines": ["1 body is damaged"] });
    assert_eq!((found.status.as_u16(), found.json()), (200, report));
    let house = House::kept_by(Keeper {
        is_ill: true,
        ..Keeper::default()
    });
    let failed = house.post("/v1/store/check", &json!(null)).await;
    assert_eq!(failed.problem(503), "the disk is gone");
}
