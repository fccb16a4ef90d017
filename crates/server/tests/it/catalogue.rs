use std::collections::BTreeSet;

use crate::harness::TestService;

#[tokio::test]
async fn event_types_and_categories_are_one_array_each_for_anybody() {
    let mut service = TestService::start().await;
    let types = service.get("/v1/event_types", "").await.json();
    assert_eq!(types.as_object().unwrap().len(), 1, "clients take no other key");
    let types = types["event_types"].as_array().unwrap().clone();
    assert_eq!(types.iter().filter(|event_type| event_type["further"] == false).count(), 46);
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
async fn regions_are_never_empty() {
    let mut service = TestService::start().await;
    service.get("/v1/regions", "").await;
    insta::assert_snapshot!(service.transcript());
}
