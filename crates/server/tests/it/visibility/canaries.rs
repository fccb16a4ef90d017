//! Events whose texts are canaries, built from the catalogue.

use annals_model::catalogue::{EventType, Scope};
use annals_model::field_class::REST;
use annals_model::{Class, Field, FieldShape};
use serde_json::value::to_raw_value;
use serde_json::{Value, json};

use super::world::{PARENT_APP, REVIEW_APP, person, user_id};
use super::{ALL, Subject, Who};

/// A text that is in one field of one event only.
pub(super) struct Canary {
    pub(super) subject: Subject,
    pub(super) actor: Who,
    pub(super) class: Class,
    /// The event type and the field's path, such as `new_variable.value`.
    pub(super) field: String,
    pub(super) text: String,
}

/// Returns the prefix of all canaries of a class and a subject: of texts and of IP addresses.
pub(super) fn marks(class: Class, subject: Subject) -> [String; 2] {
    let number = match subject {
        Subject::Live => 1,
        Subject::Deleted => 2,
        Subject::Account(who) => 3 + who as u8,
    };
    [format!("{class:?}.{number}."), format!("2001:db8:{}:{number:x}::", class as u8 + 1)]
}

/// Returns a URL with a canary wherever credentials may be, and another one in its public part.
pub(super) fn canary_url(subject: Subject, label: &str) -> String {
    let [hidden, public] = [Class::Url, Class::Public].map(|class| marks(class, subject)[0].clone() + label);
    format!("https://{hidden}:{hidden}@host.example/{public}?{hidden}#{hidden}")
}

/// Returns an event of that type, and adds its canaries.
pub(super) fn event_of(
    event_type: &'static EventType,
    subject: Subject,
    actor: Who,
    canaries: &mut Vec<Canary>,
) -> Value {
    let built = [false, true].into_iter().find_map(|is_uniform| {
        let root = (event_type.schema)().to_value();
        let mut maker = Maker { subject, actor, event_type, is_uniform, root: &root, canaries: Vec::new() };
        let data = maker.value(&root, &FieldShape::Object(event_type.fields), "");
        event_type.parse(&to_raw_value(&data).unwrap()).ok()?;
        Some((data, maker.canaries))
    });
    let (type_data, added) =
        built.unwrap_or_else(|| panic!("{}: no valid event can be built", event_type.name));
    for class in ALL.iter().filter(|class| **class != Class::Public && event_type.classes.contains(**class)) {
        assert!(added.iter().any(|canary| canary.class == *class), "{}: {class:?}", event_type.name);
    }
    canaries.extend(added);
    let mut event = json!({ "user": person(actor), "type": event_type.name, "type_data": type_data });
    if event_type.scope == Scope::Project {
        (event["project_id"], event["project_name"]) = ("prj-1".into(), "shop".into());
    }
    event
}

/// Builds the `type_data` of one event.
struct Maker<'a> {
    subject: Subject,
    actor: Who,
    event_type: &'static EventType,
    /// Whether all public texts are equal, for types whose fields must not contradict each other.
    is_uniform: bool,
    root: &'a Value,
    canaries: Vec<Canary>,
}

impl Maker<'_> {
    fn value(&mut self, schema: &Value, shape: &FieldShape, path: &str) -> Value {
        if let Some(reference) = schema["$ref"].as_str() {
            return self.value(self.root.pointer(reference.trim_start_matches('#')).unwrap(), shape, path);
        }
        if let Some(options) = schema["anyOf"].as_array() {
            return self.value(options.iter().find(|option| option["type"] != "null").unwrap(), shape, path);
        }
        if let Some(options) = schema["oneOf"].as_array().or(schema["enum"].as_array()) {
            return options[0].get("const").unwrap_or(&options[0]).clone();
        }
        if let FieldShape::Object(fields @ [.., Field { name: REST, .. }]) = shape {
            // Only the classes of these fields are known, not their names.
            let text = json!({ "type": "string" });
            let fields = fields.iter().map(|field| (field.name.replace(REST, "rest"), &field.shape));
            return fields
                .map(|(name, shape)| (name.clone(), self.value(&text, shape, &format!("{path}.{name}"))))
                .collect();
        }
        let within = |name: &str| match shape {
            FieldShape::Object(fields) => *Field::find(fields, name).unwrap(),
            FieldShape::Each(item) => **item,
            leaf => *leaf,
        };
        let kind = schema["type"].as_str().or(schema["type"][0].as_str()).unwrap();
        match (kind, shape, schema["pattern"].as_str()) {
            ("object", ..) => match (&schema["properties"], &schema["additionalProperties"]) {
                (Value::Object(fields), _) => fields
                    .iter()
                    .map(|(name, schema)| {
                        (name.clone(), self.value(schema, &within(name), &format!("{path}.{name}")))
                    })
                    .collect(),
                (_, item @ Value::Object(_)) => json!({ "KEY": self.value(item, &within(""), path) }),
                _ => match shape {
                    FieldShape::Leaf(class @ (Class::Secret | Class::Personal)) => {
                        json!({ "KEY": self.leaf(*class, "", path) })
                    }
                    _ => json!({}),
                },
            },
            ("array", ..) => (0..schema["minItems"].as_u64().unwrap_or(1))
                .map(|index| self.value(&schema["items"], &within(""), &format!("{path}.{index}")))
                .collect(),
            ("boolean", ..) => true.into(),
            ("number" | "integer", ..) => 1.into(),
            ("string", _, Some(pattern)) if pattern.starts_with("^us-") => json!(user_id(Who::Owner)),
            // The parent of an app cannot be its review app.
            ("string", _, Some(_)) if path == ".app_id" => REVIEW_APP.into(),
            ("string", _, Some(_)) => PARENT_APP.into(),
            ("string", FieldShape::Leaf(class), None) => {
                self.leaf(*class, schema["format"].as_str().unwrap_or_default(), path)
            }
            (kind, shape, _) => panic!("{path}: {kind} as {shape:?}"),
        }
    }

    fn leaf(&mut self, class: Class, format: &str, path: &str) -> Value {
        let named = if self.is_uniform && class == Class::Public { "" } else { path };
        let label = format!("{:?}.{}{named}", self.actor, self.event_type.name).replace('/', "-");
        let [text, address] = marks(class, self.subject);
        match (format, class) {
            // Four digits have no room for a canary.
            _ if path.ends_with(".last4") => "4242".into(),
            ("date-time", _) => "2026-11-01T08:00:00.000Z".into(),
            ("ip", _) => self.add(class, path, format!("{address}{:x}", self.canaries.len() + 1)),
            (_, Class::Url) => {
                self.add(class, path, text + &label);
                self.add(Class::Public, path, marks(Class::Public, self.subject)[0].clone() + &label);
                canary_url(self.subject, &label).into()
            }
            _ => self.add(class, path, text + &label),
        }
    }

    fn add(&mut self, class: Class, path: &str, text: String) -> Value {
        let field = format!("{}{path}", self.event_type.name);
        self.canaries.push(Canary {
            subject: self.subject,
            actor: self.actor,
            class,
            field,
            text: text.clone(),
        });
        text.into()
    }
}
