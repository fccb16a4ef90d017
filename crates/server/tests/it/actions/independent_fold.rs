//! The state of an app, and of an account, from nothing but events as the API shows them. Written from `docs/events.md` and
//! `docs/reporting.md`: it shares no code with the product, and no types.
//!
//! A state is JSON. [`plain`] leaves out what is empty, because `null`, `false` and a missing field mean the same.

use serde_json::{Map, Value, json};

/// The event types that change nothing in an app's state.
const WITHOUT_EFFECT: &[&str] = &[
    "rename_app",
    "run",
    "crash",
    "repeated_crash",
    "start_region_migration",
    "new_notifier",
    "edit_notifier",
    "delete_notifier",
    "link_github",
    "unlink_github",
    "upgrade_database",
    "database_backup_succeeded",
    "database_backup_failed",
    "database_continuousbackup_healthy",
    "database_continuousbackup_delayed",
    "database_continuousbackup_stale",
    "new_alert",
    "alert",
    "delete_alert",
    "new_autoscaler",
    "edit_autoscaler",
    "delete_autoscaler",
];

/// Returns a value without empty fields, at any depth.
pub(super) fn plain(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().map(|(name, field)| (name.clone(), plain(field)));
            Value::Object(kept.filter(|(_, field)| !is_empty(field)).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(plain).collect()),
        other => other.clone(),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// Returns the state of an app after these events, in the order in which they were recorded.
pub(super) fn app_after<'a>(events: impl IntoIterator<Item = &'a Value>) -> Value {
    let mut app = Value::Null;
    for event in events {
        happen_to_app(&mut app, event);
    }
    as_shown(&app)
}

/// Returns the state of an app as the API shows it: a set is a list.
pub(super) fn as_shown(app: &Value) -> Value {
    let listed = |state: &mut Value, field: &str| {
        let mut items: Vec<_> = map(&state[field]).keys().cloned().collect();
        items.sort();
        state[field] = items.into();
    };
    let mut shown = app.clone();
    listed(&mut shown, "log_drains");
    for addon in map_mut(&mut shown["addons"]).values_mut() {
        ["variables", "features", "log_drains"].into_iter().for_each(|field| listed(addon, field));
    }
    plain(&shown)
}

/// Changes the state of an app by one event. The state before the first event is `null`.
pub(super) fn happen_to_app(app: &mut Value, event: &Value) {
    let at = &event["created_at"];
    if app.is_null() {
        *app =
            json!({ "id": event["app_id"], "name": event["app_name"], "created_at": at, "updated_at": at });
        for map in [
            "formation",
            "variables",
            "collaborators",
            "invitations",
            "domains",
            "addons",
            "log_drains",
            "review_apps",
            "maintenances",
        ] {
            app[map] = json!({});
        }
    }
    let is_renamed = app["name"] != event["app_name"];
    let has_effect = happens(app, text(&event["type"]), event);
    if has_effect || is_renamed {
        app["updated_at"] = at.clone();
        app["name"] = event["app_name"].clone();
    }
}

/// Applies an event's data, and returns whether events of its type change the state.
fn happens(app: &mut Value, event_type: &str, event: &Value) -> bool {
    let (data, at, user) = (&event["type_data"], &event["created_at"], &event["user"]);
    match event_type {
        "new_app" => {
            for field in ["git_source", "stack", "pull_request", "hds_resource"] {
                app[field] = data[field].clone();
            }
            let parent = &data["parent_app_id"];
            let leads_back = *parent == app["id"] || is_review_app(app, parent);
            app["parent"] = if leads_back { Value::Null } else { parent.clone() };
            (app["created_at"], app["deleted_at"]) = (at.clone(), Value::Null);
            if !user.is_null() {
                app["owner"] = user.clone();
            }
            keep_owner_out(app);
        }
        "delete_app" => app["deleted_at"] = at.clone(),
        "transfer_app" => {
            let old = &data["old_owner"];
            app["collaborators"][text(&old["id"])] =
                json!({ "username": old["username"], "email": old["email"] });
            app["owner"] = data["new_owner"].clone();
            keep_owner_out(app);
        }
        "scale" => {
            let before = app["formation"].take();
            let size = |name: &str| {
                let known = [&data["sizes"][name], &before[name]["size"]];
                known.into_iter().find(|size| !size.is_null()).cloned().unwrap_or("M".into())
            };
            let after = map(&data["containers"]).iter();
            let after =
                after.map(|(name, amount)| (name.clone(), json!({ "amount": amount, "size": size(name) })));
            app["formation"] = Value::Object(after.collect());
            app["stopped"] = false.into();
        }
        "deployment" => {
            let finished_at = Some(&data["finished_at"]).filter(|time| !time.is_null()).unwrap_or(at);
            app["last_deployment"] = json!({
                "id": data["deployment_id"], "pusher": data["pusher"], "status": data["status"],
                "finished_at": finished_at,
            });
            if data["status"] == "success" {
                app["stopped"] = false.into();
            }
            if app["stack"].is_null() {
                app["stack"] = data["stack"].clone();
            }
        }
        "stop_app" => app["stopped"] = true.into(),
        "restart" => {
            let was_stopped = app["stopped"] == true;
            app["stopped"] = false.into();
            return was_stopped;
        }
        "update_app_project" => {
            app["project"] = json!({ "id": data["new_project_id"], "name": data["new_project_name"] });
        }
        "stack_changed" => app["stack"] = data["current_stack_name"].clone(),
        "edit_app" => given(&mut *app, data, &["force_https", "sticky_session", "router_logs"]),
        "create_review_app" => return create_review_app(app, data, at),
        "destroy_review_app" => {
            if let Some(name) = review_app_name(app, text(&data["review_app_name"]), &data["app_id"]) {
                remove(app, "review_apps", &name);
            }
        }
        "rename_review_app" => {
            if let Some(name) = review_app_name(app, text(&data["old_name"]), &data["app_id"]) {
                let mut review_app = remove(app, "review_apps", &name);
                review_app["app_id"] = data["app_id"].clone();
                if !data["review_app_url"].is_null() {
                    review_app["url"] = data["review_app_url"].clone();
                }
                app["review_apps"][text(&data["new_name"])] = review_app;
            }
        }
        "link_scm" | "update_scm" => link(app, event),
        "unlink_scm" => app["scm_link"] = Value::Null,
        "new_log_drain" => app["log_drains"][text(&data["url"])] = true.into(),
        "delete_log_drain" => _ = remove(app, "log_drains", text(&data["url"])),
        "create_data_access_consent" => {
            app["consent"]["user_id"] = user["id"].clone();
            for kind in ["databases", "containers"] {
                if data[kind] == true {
                    app["consent"][format!("{kind}_until")] = data["end_at"].clone();
                }
            }
        }
        "edit_hds_contact" => {
            let mut contact = data.clone();
            map_mut(&mut contact).remove("remote_ip");
            app["hds_contact"] = contact;
        }
        _ if WITHOUT_EFFECT.contains(&event_type) => return false,
        _ if variables(app, event_type, data) => {}
        _ if collaborators(app, event_type, event) => {}
        _ if domains(app, event_type, data, at) => {}
        _ if addons(app, event_type, data, at) => {}
        _ if maintenances(app, event_type, data, at) => {}
        _ => panic!("an app has no event of this type: {event}"),
    }
    true
}

fn variables(app: &mut Value, event_type: &str, data: &Value) -> bool {
    let set = |app: &mut Value, one: &Value| app["variables"][text(&one["name"])] = one["value"].clone();
    let delete = |app: &mut Value, one: &Value| {
        let name = text(&one["name"]);
        remove(app, "variables", name);
        for addon in map_mut(&mut app["addons"]).values_mut() {
            remove(addon, "variables", name);
        }
    };
    match event_type {
        "new_variable" => {
            set(app, data);
            if let Some(addon) = data["resource_id"].as_str().and_then(|id| app["addons"].get_mut(id)) {
                addon["variables"][text(&data["name"])] = true.into();
            }
        }
        "edit_variable" => set(app, data),
        "delete_variable" => delete(app, data),
        "edit_variables" => {
            list(&data["deleted_vars"]).iter().for_each(|one| delete(app, one));
            list(&data["new_vars"]).iter().for_each(|one| set(app, one));
            list(&data["updated_vars"]).iter().for_each(|one| set(app, one));
        }
        _ => return false,
    }
    true
}

fn collaborators(app: &mut Value, event_type: &str, event: &Value) -> bool {
    let person = &event["type_data"]["collaborator"];
    let withdraw = |app: &mut Value, email: &Value| {
        let email = email.as_str().unwrap_or_default();
        map_mut(&mut app["invitations"]).retain(|invited, _| !invited.eq_ignore_ascii_case(email));
    };
    match event_type {
        "new_collaborator" => {
            let user = &event["user"];
            app["invitations"][text(&person["email"])] = json!({
                "inviter": if user.is_null() { Value::Null } else { json!({ "email": user["email"], "username": user["username"] }) },
                "created_at": event["created_at"], "is_limited": person["is_limited"],
            });
        }
        "accept_collaborator" => {
            withdraw(app, &person["email"]);
            withdraw(app, &person["invited_email"]);
            app["collaborators"][text(&person["id"])] = json!({
                "username": person["username"], "email": person["email"], "is_limited": person["is_limited"],
                "invited_email": person["invited_email"],
            });
            keep_owner_out(app);
        }
        "delete_collaborator" => match person["id"].as_str() {
            Some(id) if !remove(app, "collaborators", id).is_null() => {}
            Some(_) => withdraw(app, &person["email"]),
            None => {
                map_mut(&mut app["collaborators"]).retain(|_, other| other["email"] != person["email"]);
                withdraw(app, &person["email"]);
            }
        },
        "change_collaborator_role" => {
            let collaborator =
                person["id"].as_str().and_then(|id| app["collaborators"].get(id)?.as_object().map(|_| id));
            let holder = match collaborator {
                Some(id) => app["collaborators"].get_mut(id),
                None => app["invitations"].get_mut(text(&person["email"])),
            };
            if let Some(holder) = holder {
                holder["is_limited"] = person["is_limited"].clone();
            }
        }
        _ => return false,
    }
    true
}

fn domains(app: &mut Value, event_type: &str, data: &Value, at: &Value) -> bool {
    let hostname = text(&data["hostname"]);
    // An app has one canonical domain at most.
    if ["new_domain", "edit_domain"].contains(&event_type) && data["canonical"] == true {
        map_mut(&mut app["domains"]).values_mut().for_each(|domain| domain["canonical"] = false.into());
    }
    match event_type {
        "new_domain" => {
            app["domains"][hostname] = json!({
                "created_at": at, "ssl": data["ssl"], "canonical": data["canonical"],
                "letsencrypt_enabled": data["letsencrypt_enabled"].as_bool().unwrap_or(true),
            });
        }
        "edit_domain" => {
            if let Some(domain) = app["domains"].get_mut(hostname) {
                given(domain, data, &["ssl", "canonical", "letsencrypt_enabled"]);
            }
        }
        "delete_domain" => _ = remove(app, "domains", hostname),
        _ => return false,
    }
    true
}

fn addons(app: &mut Value, event_type: &str, data: &Value, at: &Value) -> bool {
    let named = |app: &mut Value| {
        let found = map(&app["addons"]).iter().find(|(_, addon)| addon["addon_uuid"] == data["addon_uuid"]);
        found.map(|(id, _)| id.clone())
    };
    match event_type {
        "new_addon" => {
            app["addons"][text(&data["resource_id"])] = json!({
                "provider": data["addon_provider_name"], "plan": data["plan_name"], "created_at": at,
                "addon_uuid": data["addon_uuid"], "variables": {}, "features": {}, "log_drains": {},
            });
        }
        "upgrade_addon" => {
            if let Some(addon) = app["addons"].get_mut(text(&data["resource_id"])) {
                addon["plan"] = data["new_plan_name"].clone();
            }
        }
        "suspend_addon" | "resume_addon" => {
            if let Some(addon) = app["addons"].get_mut(text(&data["resource_id"])) {
                addon["suspended"] = (event_type == "suspend_addon").into();
            }
        }
        "delete_addon" => {
            let removed = remove(app, "addons", text(&data["resource_id"]));
            let is_last = map(&app["addons"]).is_empty();
            if !removed.is_null() {
                map_mut(&mut app["maintenances"]).retain(|_, maintenance| match &maintenance["addon_uuid"] {
                    Value::Null => !is_last,
                    addon_uuid => *addon_uuid != removed["addon_uuid"],
                });
            }
        }
        "addon_updated" => {
            if let Some(id) = data["ended_maintenance"]["maintenance_id"].as_str() {
                remove(app, "maintenances", id);
            }
            if let Some(addon) = app["addons"].get_mut(text(&data["addon_resource_id"])) {
                given(addon, data, &["maintenance_window"]);
            }
        }
        "database/add_feature" | "new_addon_log_drain" => {
            if let Some(id) = named(app) {
                let (kind, item) = of_addon(data);
                app["addons"][&id][kind][item] = true.into();
            }
        }
        "database/remove_feature" | "delete_addon_log_drain" => {
            if let Some(id) = named(app) {
                let (kind, item) = of_addon(data);
                remove(&mut app["addons"][&id], kind, item);
            }
        }
        _ => return false,
    }
    true
}

/// Returns the feature or the log drain of an add-on that an event names.
fn of_addon(data: &Value) -> (&'static str, &str) {
    match data["feature"].as_str() {
        Some(feature) => ("features", feature),
        None => ("log_drains", text(&data["url"])),
    }
}

fn maintenances(app: &mut Value, event_type: &str, data: &Value, at: &Value) -> bool {
    let id = text(&data["maintenance_id"]);
    let planned = json!({
        "maintenance_type": data["maintenance_type"], "addon_name": data["addon_name"],
        "addon_uuid": data["addon_uuid"], "window": data["next_maintenance_window"],
    });
    match event_type {
        "plan_database_maintenance" => app["maintenances"][id] = planned,
        "start_database_maintenance" => {
            if app["maintenances"].get(id).is_none() {
                app["maintenances"][id] = planned;
            }
            app["maintenances"][id]["started_at"] = at.clone();
        }
        "complete_database_maintenance" => _ = remove(app, "maintenances", id),
        _ => return false,
    }
    true
}

fn link(app: &mut Value, event: &Value) {
    let (data, at) = (&event["type_data"], &event["created_at"]);
    let before = app["scm_link"].take();
    let is_new = event["type"] == "link_scm";
    let mut link = data.clone();
    map_mut(&mut link).remove("repo_name");
    link["updated_at"] = at.clone();
    if is_new || before.is_null() {
        (link["id"], link["created_at"]) = (event["id"].clone(), at.clone());
    } else {
        (link["id"], link["created_at"]) = (before["id"].clone(), before["created_at"].clone());
    }
    link["linker"] = match is_new {
        true if event["user"]["username"] == data["linker_username"] => event["user"].clone(),
        true => Value::Null,
        false => before["linker"].clone(),
    };
    app["scm_link"] = link;
}

fn create_review_app(app: &mut Value, data: &Value, at: &Value) -> bool {
    let review_app = &data["app_id"];
    if !review_app.is_null() && (*review_app == app["id"] || *review_app == app["parent"]) {
        return false;
    }
    app["review_apps"][text(&data["review_app_name"])] = json!({
        "app_id": review_app, "created_at": at, "url": data["review_app_url"], "pr_number": data["pr_number"],
        "pr_name": data["pr_name"], "pr_url": data["pr_url"], "source_repo_name": data["source_repo_name"],
        "source_repo_url": data["source_repo_url"], "comes_from_a_fork": data["pr_comes_from_a_fork"],
    });
    true
}

fn is_review_app(app: &Value, id: &Value) -> bool {
    !id.is_null() && map(&app["review_apps"]).values().any(|review_app| review_app["app_id"] == *id)
}

/// Returns the name of the review app that an event means: by its identifier first. Reports may give one identifier to several;
/// then the first by name is meant.
fn review_app_name(app: &Value, name: &str, id: &Value) -> Option<String> {
    let review_apps = map(&app["review_apps"]);
    let has_id = |(_, review_app): &(&String, &Value)| !id.is_null() && review_app["app_id"] == *id;
    let by_id = review_apps.iter().filter(has_id).min_by_key(|(name, _)| *name);
    let by_name = review_apps.get_key_value(name);
    let by_name = by_name.filter(|(_, review_app)| id.is_null() || review_app["app_id"].is_null());
    by_id.or(by_name).map(|(name, _)| name.clone())
}

/// The owner is not one of the collaborators.
fn keep_owner_out(app: &mut Value) {
    if let Some(owner) = app["owner"]["id"].as_str().map(str::to_owned) {
        remove(app, "collaborators", &owner);
    }
}

/// Returns the state of an account after the events of its timeline, without when it was registered, which no event says.
pub(super) fn account_after(events: &[Value]) -> Value {
    let mut account = json!({
        "failed_logins": 0, "credit_cents": 0, "payment_methods": [], "vouchers": [], "keys": {}, "integrations": {},
    });
    for event in events {
        let (data, at) = (&event["type_data"], &event["created_at"]);
        for field in ["id", "username", "email"] {
            account[field] = event["user"][field].clone();
        }
        match text(&event["type"]) {
            "login_failure" => {
                account["failed_logins"] = (account["failed_logins"].as_u64().unwrap() + 1).into()
            }
            "login_success" => account["failed_logins"] = 0.into(),
            "login_lock" => account["locked"] = true.into(),
            "login_unlock_success" => {
                (account["locked"], account["failed_logins"]) = (false.into(), 0.into())
            }
            "add_credit" => {
                let cents = (data["amount"].as_f64().unwrap() * 100.0).round() as u64;
                account["credit_cents"] = (account["credit_cents"].as_u64().unwrap() + cents).into();
            }
            "add_payment_method" => {
                let mut method = data["billing_profile"].clone();
                (method["id"], method["created_at"]) = (event["id"].clone(), at.clone());
                account["payment_methods"].as_array_mut().unwrap().push(method);
            }
            "add_voucher" => account["vouchers"].as_array_mut().unwrap().push(data["code"].clone()),
            "new_key" | "edit_key" => {
                account["keys"][text(&data["name"])] =
                    json!({ "fingerprint": data["fingerprint"], "created_at": at });
            }
            "delete_key" => _ = remove(&mut account, "keys", text(&data["name"])),
            "new_integration" => {
                account["integrations"][text(&data["integration_id"])] = json!({
                    "id": data["integration_id"], "scm_type": data["integration_type"], "url": data["data"]["url"],
                    "login": data["data"]["login"], "created_at": at,
                });
            }
            "delete_integration" => _ = remove(&mut account, "integrations", text(&data["integration_id"])),
            _ => {}
        }
    }
    let vouchers = account["vouchers"].as_array_mut().unwrap();
    vouchers.sort_by_key(Value::to_string);
    vouchers.dedup();
    if account["credit_cents"] == 0 {
        remove_field(&mut account, "credit_cents");
    }
    account
}

/// Takes over the fields that an event gives.
fn given(state: &mut Value, data: &Value, fields: &[&str]) {
    for field in fields.iter().filter(|field| !data[**field].is_null()) {
        state[*field] = data[*field].clone();
    }
}

fn remove(state: &mut Value, field: &str, key: &str) -> Value {
    remove_field(&mut state[field], key)
}

fn remove_field(object: &mut Value, key: &str) -> Value {
    map_mut(object).remove(key).unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn map(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap()
}

fn map_mut(value: &mut Value) -> &mut Map<String, Value> {
    value.as_object_mut().unwrap()
}
