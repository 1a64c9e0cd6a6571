//! Which values do the user's words give to templates' parameters?
//!
//! One by one, as `KEY=VALUE`, or a file of them as AWS's own tools take it. Whether a template has such a parameter, and
//! takes such a value, is CloudFormation's reader's to say.

use std::path::Path;
use std::str::FromStr;

use serde_json::Value;

/// A value for a template's parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// The source whose parameter it is; every one that has such a parameter where none is named.
    pub source: Option<String>,
    /// The parameter.
    pub key: String,
    /// Its value, as text: lists are separated by commas, as in AWS.
    pub value: String,
}

/// Why a text or a file gives no parameters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidParameter {
    /// A text is not `[NAME.]KEY=VALUE`.
    #[error("`{0}` is no parameter; write [NAME.]KEY=VALUE, as in Env=prod or network.Env=prod")]
    Text(String),
    /// A file cannot be read, or is none of the shapes that AWS's tools take.
    #[error(
        "{path}: {problem}; give [{{\"ParameterKey\": ..., \"ParameterValue\": ...}}] or {{\"Parameters\": {{KEY: VALUE}}}}"
    )]
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// `[NAME.]KEY=VALUE`, NAME being a source's.
impl FromStr for Parameter {
    type Err = InvalidParameter;

    fn from_str(text: &str) -> Result<Self, InvalidParameter> {
        let invalid = || InvalidParameter::Text(text.to_owned());
        let (name, value) = text.split_once('=').ok_or_else(invalid)?;
        let (source, key) = match name.rsplit_once('.') {
            Some((source, key)) => (Some(source.to_owned()), key),
            None => (None, name),
        };
        if key.is_empty() || source.as_ref().is_some_and(String::is_empty) {
            return Err(invalid());
        }
        Ok(Self { source, key: key.to_owned(), value: value.to_owned() })
    }
}

impl Parameter {
    /// The parameters in a file, in the shape of `aws cloudformation --parameters`, of a CodePipeline configuration, or a
    /// plain map; for `source` alone where one is named.
    ///
    /// # Errors
    ///
    /// [`InvalidParameter::File`] for one that cannot be read or has another shape.
    pub fn of_file(path: &Path, source: Option<&str>) -> Result<Vec<Self>, InvalidParameter> {
        let wrong = |problem: String| InvalidParameter::File { path: path.display().to_string(), problem };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let value: Value = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        let one = |key: &str, value: &Value| {
            let value = of_value(value).ok_or_else(|| wrong(format!("the value of {key} is no text")))?;
            Ok(Self { source: source.map(str::to_owned), key: key.to_owned(), value })
        };
        match &value {
            Value::Array(all) => all
                .iter()
                .map(|each| match (each["ParameterKey"].as_str(), each.get("ParameterValue")) {
                    (Some(key), Some(value)) => one(key, value),
                    _ => Err(wrong(format!("{each} has no ParameterKey and ParameterValue"))),
                })
                .collect(),
            Value::Object(map) => {
                let all = map.get("Parameters").and_then(Value::as_object).unwrap_or(map);
                all.iter().map(|(key, value)| one(key, value)).collect()
            }
            _ => Err(wrong("neither a list nor a map".to_owned())),
        }
    }
}

/// A value as a parameter's text.
fn of_value(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        Value::Array(items) => {
            items.iter().map(of_value).collect::<Option<Vec<_>>>().map(|all| all.join(","))
        }
        Value::Null | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(source: Option<&str>, key: &str, value: &str) -> Parameter {
        Parameter { source: source.map(str::to_owned), key: key.to_owned(), value: value.to_owned() }
    }

    #[test]
    fn a_parameter_is_of_all_sources_or_of_one() {
        for (text, expected) in [
            ("Env=prod", Some(parameter(None, "Env", "prod"))),
            ("net.Env=a=b.c", Some(parameter(Some("net"), "Env", "a=b.c"))),
            ("my.net.Env=", Some(parameter(Some("my.net"), "Env", ""))),
            ("Env", None),
            ("=x", None),
            (".Env=x", None),
        ] {
            assert_eq!(text.parse().ok(), expected, "{text}");
        }
    }

    #[test]
    fn files_have_the_shapes_of_awss_tools() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.json");
        let expected = vec![parameter(Some("net"), "Zones", "a,b")];
        for text in [
            r#"[{"ParameterKey": "Zones", "ParameterValue": "a,b"}]"#,
            r#"{"Parameters": {"Zones": ["a", "b"]}}"#,
            r#"{"Zones": "a,b"}"#,
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(Parameter::of_file(&path, Some("net")).unwrap(), expected, "{text}");
        }
        for text in ["[{}]", "3", "{", r#"{"Zones": {}}"#] {
            std::fs::write(&path, text).unwrap();
            assert!(Parameter::of_file(&path, None).is_err(), "{text}");
        }
    }
}
