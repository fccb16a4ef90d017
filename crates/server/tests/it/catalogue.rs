//! The lists that everybody may read: event types, their categories, regions.

use std::collections::BTreeSet;

use annals_model::catalogue::{self, Origin};

use crate::harness::TestService;

#[tokio::test]
async fn anybody_can_list_event_types_and_categories() {
    let mut service = TestService::start().await;
    let types = service.get("/v1/event_types", "").await.json();
    assert_eq!(types.as_object().unwrap().len(), 1, "clients accept no other key");
    let types = types["event_types"].as_array().unwrap().clone();
    let names: Vec<_> = types.iter().map(|event_type| event_type["name"].as_str().unwrap()).collect();
    let in_catalogue: Vec<_> = catalogue::all().iter().map(|event_type| event_type.name).collect();
    assert_eq!(names, in_catalogue);
    for event_type in &types {
        let name = event_type["name"].as_str().unwrap();
        let is_further = catalogue::find(name).unwrap().origin == Origin::Further;
        assert_eq!(event_type["further"], is_further, "{name}");
    }
    let categories = service.get("/v1/event_categories", "").await.json();
    assert_eq!(categories.as_object().unwrap().len(), 1);
    let known: BTreeSet<_> = categories["event_categories"]
        .as_array()
        .unwrap()
        .iter()
        .map(|category| category["id"].to_string())
        .collect();
    let used: BTreeSet<_> = types.iter().map(|event_type| event_type["category_id"].to_string()).collect();
    assert_eq!(used, known);
    insta::assert_snapshot!(service.transcript());
}

#[tokio::test]
async fn there_is_always_a_region() {
    let mut service = TestService::start().await;
    service.get("/v1/regions", "").await;
    insta::assert_snapshot!(service.transcript());
}
