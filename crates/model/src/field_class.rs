//! The class of every visible field, and how fields are hidden by class.
//!
//! A class says what a field may hold, not who may read it. Everything here fails closed: a field of a Rust type
//! without a class does not compile (`classes!`), and any other field without a class is removed.

use serde_json::Value;

use crate::public_url::public_url;

/// What a field may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Anything that is neither secret, personal nor a URL: readable by everyone who may read the object.
    Public,
    /// A value that is or may contain a credential: a variable's value, a log drain's URL, a command.
    Secret,
    /// Personal data beyond membership: a contact's address, the IP address of a request.
    Personal,
    /// A URL, readable without its credentials: see [`public_url`].
    Url,
}

/// A set of classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Classes(u8);

/// A field of a JSON object.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name, or [`REST`].
    pub name: &'static str,
    /// What it holds.
    pub shape: FieldShape,
}

/// The name that matches every field not named before it.
pub const REST: &str = "*";

/// What a field holds. A value of another shape is hidden as a whole; null fits every shape.
#[derive(Debug, Clone, Copy)]
pub enum FieldShape {
    /// A scalar of this class. A secret or personal value may also be a list or an object, which is hidden as a whole.
    Leaf(Class),
    /// An object with these fields.
    Object(&'static [Field]),
    /// A list of items of this shape, or an object with arbitrary public keys and values of this shape.
    Each(&'static FieldShape),
    /// Not a field itself: these fields take its place.
    Flattened(&'static [Field]),
}

/// A type whose fields all have a class. Implemented by `classes!`.
#[diagnostic::on_unimplemented(
    message = "the fields of `{Self}` have no classes",
    note = "give each field a class below the struct: `classes!({Self} {{ name: Public, token: Secret }});`"
)]
pub trait Classed {
    /// Its fields.
    const FIELDS: &'static [Field];
}

/// Gives each field of a struct its class: `name: Public`. Omitting a field is a compile error.
///
/// `[Secret]` is a list or map of secrets, `{Variable}` an object of that type, `(…)` any other [`FieldShape`].
macro_rules! classes {
    ($type:ident { $($field:ident: $shape:tt),* $(,)? }) => {
        impl crate::field_class::Classed for $type {
            const FIELDS: &'static [crate::field_class::Field] = &[$(
                crate::field_class::Field {
                    name: stringify!($field),
                    shape: crate::field_class::shape!($shape),
                },
            )*];
        }

        const _: fn(&$type) = |$type { $($field: _),* }| ();
    };
}
pub(crate) use classes;

macro_rules! shape {
    ([$item:tt]) => {
        crate::field_class::FieldShape::Each(&crate::field_class::shape!($item))
    };
    ({$type:ty}) => {
        crate::field_class::FieldShape::Object(<$type as crate::field_class::Classed>::FIELDS)
    };
    (($shape:expr)) => {
        $shape
    };
    ($class:ident) => {
        crate::field_class::FieldShape::Leaf(crate::field_class::Class::$class)
    };
}
pub(crate) use shape;

impl Classes {
    /// The empty set.
    pub const NONE: Self = Self(0);

    /// Returns the set of these classes.
    pub const fn of(classes: &[Class]) -> Self {
        match classes {
            [] => Self::NONE,
            [first, others @ ..] => Self(1 << *first as u8 | Self::of(others).0),
        }
    }

    /// Returns the classes of these fields and of all fields within them.
    pub const fn of_fields(fields: &[Field]) -> Self {
        match fields {
            [] => Self::NONE,
            [first, others @ ..] => Self(Self::of_shape(&first.shape).0 | Self::of_fields(others).0),
        }
    }

    const fn of_shape(shape: &FieldShape) -> Self {
        match shape {
            FieldShape::Leaf(class) => Self::of(&[*class]),
            FieldShape::Object(fields) | FieldShape::Flattened(fields) => Self::of_fields(fields),
            FieldShape::Each(item) => Self::of_shape(item),
        }
    }

    /// Returns whether the set contains a class.
    pub const fn contains(self, class: Class) -> bool {
        self.intersects(Self::of(&[class]))
    }

    /// Returns whether both sets share a class. A value that shares none with the hidden classes need not be searched.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl Field {
    /// Returns the shape of a field; `None` if the field has no class.
    pub fn find<'a>(fields: &'a [Self], name: &str) -> Option<&'a FieldShape> {
        fields.iter().find_map(|field| match &field.shape {
            FieldShape::Flattened(fields) => Self::find(fields, name),
            shape => (field.name == name || field.name == REST).then_some(shape),
        })
    }
}

/// Hides every field of an object that has a hidden class. The field becomes null, which every client can read; a URL
/// becomes its public part. A field without a class is removed. If no class is hidden, the object stays as it is.
pub fn hide(object: &mut Value, fields: &[Field], hidden: Classes) {
    match object {
        _ if hidden == Classes::NONE => {}
        Value::Object(members) => members.retain(|name, value| {
            let shape = Field::find(fields, name);
            if let Some(shape) = shape {
                shape.hide(value, hidden);
            }
            shape.is_some()
        }),
        other => *other = Value::Null,
    }
}

impl FieldShape {
    fn hide(&self, value: &mut Value, hidden: Classes) {
        match (self, value) {
            (Self::Leaf(class), value) if hidden.contains(*class) => {
                let public = value.as_str().filter(|_| *class == Class::Url).and_then(public_url);
                *value = public.map_or(Value::Null, Value::String);
            }
            (Self::Leaf(Class::Secret | Class::Personal), _) => {}
            (Self::Leaf(_), Value::Bool(_) | Value::Number(_) | Value::String(_)) => {}
            (Self::Object(fields), value) => hide(value, fields, hidden),
            (Self::Each(item), Value::Array(values)) => {
                values.iter_mut().for_each(|value| item.hide(value, hidden));
            }
            (Self::Each(item), Value::Object(members)) => {
                members.values_mut().for_each(|value| item.hide(value, hidden));
            }
            (Self::Leaf(_) | Self::Each(_) | Self::Flattened(_), value) => *value = Value::Null,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    struct Inner {
        _name: String,
    }
    classes!(Inner { _name: Secret });

    const FIELDS: &[Field] = &[
        Field { name: "public", shape: shape!(Public) },
        Field { name: "secret", shape: shape!(Secret) },
        Field { name: "url", shape: shape!(Url) },
        Field { name: "object", shape: shape!({ Inner }) },
        Field { name: "list", shape: shape!([{ Inner }]) },
        Field { name: "map", shape: shape!([Secret]) },
        Field { name: "", shape: FieldShape::Flattened(&[Field { name: "flat", shape: shape!(Personal) }]) },
    ];
    const HIDDEN: Classes = Classes::of(&[Class::Secret, Class::Personal, Class::Url]);

    fn hidden(mut value: Value) -> Value {
        hide(&mut value, FIELDS, HIDDEN);
        value
    }

    #[test]
    fn hidden_fields_are_null_and_fields_without_a_class_are_removed() {
        let value = json!({
            "public": "p", "secret": {"s": ["s"]}, "url": "https://u:s@h/x?s", "object": {"_name": "s"},
            "list": [{"_name": "s", "other": "s"}], "map": {"A": "s", "B": "s"}, "flat": "s", "other": "s",
        });
        let shown = json!({
            "public": "p", "secret": null, "url": "https://h/x", "object": {"_name": null},
            "list": [{"_name": null}], "map": {"A": null, "B": null}, "flat": null,
        });
        assert_eq!(hidden(value), shown);
    }

    #[test]
    fn a_value_of_another_shape_is_hidden() {
        let value =
            json!({"public": {"s": "s"}, "url": ["https://h"], "object": ["s"], "list": "s", "map": 1});
        assert_eq!(
            hidden(value),
            json!({"public": null, "url": null, "object": null, "list": null, "map": null})
        );
        assert_eq!(hidden(json!(["s"])), Value::Null);
        assert_eq!(hidden(json!({"public": null, "list": null})), json!({"public": null, "list": null}));
    }

    #[test]
    fn only_the_hidden_classes_are_hidden() {
        let value = json!({"secret": "s", "url": "https://u:p@h", "flat": "s", "other": "s"});
        let mut shown = value.clone();
        hide(&mut shown, FIELDS, Classes::NONE);
        assert_eq!(shown, value);
        hide(&mut shown, FIELDS, Classes::of(&[Class::Personal]));
        assert_eq!(shown, json!({"secret": "s", "url": "https://u:p@h", "flat": null}));
    }

    #[test]
    fn the_classes_of_fields_include_those_of_nested_fields() {
        assert_eq!(
            Classes::of_fields(FIELDS),
            Classes::of(&[Class::Url, Class::Public, Class::Personal, Class::Secret])
        );
        assert!(Classes::of_fields(Inner::FIELDS).contains(Class::Secret));
        assert!(!Classes::of_fields(Inner::FIELDS).contains(Class::Public));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let name = || {
            prop::sample::select(vec![
                "public", "secret", "url", "object", "list", "map", "flat", "_name", "x",
            ])
        };
        let leaf = prop_oneof![
            Just(json!(null)),
            Just(json!(1)),
            Just(json!("canary")),
            Just(json!("https://canary:canary@h/?canary"))
        ];
        leaf.prop_recursive(4, 32, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((name(), inner), 0..4).prop_map(|members| {
                    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_json_shows_hidden_values(value in any_json()) {
            let mut shown = hidden(value);
            if let Some(public) = shown.get_mut("public") {
                prop_assert!(!public.is_object() && !public.is_array());
                *public = Value::Null;
            }
            prop_assert!(!shown.to_string().contains("canary"), "{shown}");
        }
    }
}
