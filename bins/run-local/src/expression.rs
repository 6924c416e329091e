//! The small expressions of a Workflow: `when`, `depends` and `retryStrategy.expression`.
//!
//! Argo evaluates `when` and `depends` with govaluate and the retry expression with expr.
//! What those three are used for is the same small language: comparisons joined by `&&`,
//! `||` and `!` (expr: `and`, `or`, `not`). Arithmetic and patterns are refused by name.

mod parse;

/// A value within an expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Operand {
    Truth(bool),
    Number(f64),
    Text(String),
    List(Vec<Operand>),
}

/// A parsed expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expression(Node);

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Literal(Operand),
    Name(String),
    List(Vec<Node>),
    Not(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Compare(Comparison, Box<Node>, Box<Node>),
    /// `asInt(x)` and `asFloat(x)` of Argo's expressions.
    ToNumber(Box<Node>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Contains,
}

/// Gives a name its value.
type Names<'a> = &'a dyn Fn(&str) -> Option<Operand>;

impl Expression {
    /// Parses a retry expression.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        parse::parse(text, false).map(Expression)
    }

    /// Parses `depends`, whose names may have hyphens.
    pub(crate) fn parse_depends(text: &str) -> Result<Self, String> {
        parse::parse(text, true).map(Expression)
    }

    /// Evaluates the text of a `when` whose tags are replaced. A bare word stands for itself,
    /// as in Argo's `shouldExecute` (workflow/controller/operator.go).
    pub(crate) fn when(text: &str) -> Result<bool, String> {
        let hint = |why| format!("when {text:?}: {why} (hint: put the values into quotes)");
        let expression = parse::parse(text, false).map(Expression).map_err(hint)?;
        expression
            .evaluate(&|name| Some(Operand::Text(name.to_owned())))
            .map_err(hint)
    }

    /// Whether the expression holds.
    pub(crate) fn evaluate(&self, names: Names) -> Result<bool, String> {
        match evaluate(&self.0, names)? {
            Operand::Truth(truth) => Ok(truth),
            other => Err(format!("the result is {other:?}, neither true nor false")),
        }
    }

    /// The tasks that a `depends` names, each once.
    pub(crate) fn task_names(&self) -> Vec<String> {
        let mut names = Vec::new();
        collect(&self.0, &mut |name| {
            let task = name.split('.').next().unwrap_or(name).to_owned();
            if !names.contains(&task) {
                names.push(task);
            }
        });
        names
    }

    /// The conditions that a `depends` names: `TASK` or `TASK.CONDITION`.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        collect(&self.0, &mut |name| names.push(name.to_owned()));
        names
    }
}

fn collect(node: &Node, take: &mut impl FnMut(&str)) {
    match node {
        Node::Literal(_) => {}
        Node::Name(name) => take(name),
        Node::List(items) => items.iter().for_each(|item| collect(item, take)),
        Node::Not(inner) | Node::ToNumber(inner) => collect(inner, take),
        Node::And(left, right) | Node::Or(left, right) | Node::Compare(_, left, right) => {
            collect(left, take);
            collect(right, take);
        }
    }
}

fn evaluate(node: &Node, names: Names) -> Result<Operand, String> {
    let truth = |node: &Node| match evaluate(node, names)? {
        Operand::Truth(truth) => Ok(truth),
        other => Err(format!("{other:?} is neither true nor false")),
    };
    match node {
        Node::Literal(value) => Ok(value.clone()),
        Node::Name(name) => names(name).ok_or_else(|| format!("{name:?} has no value")),
        Node::List(items) => {
            let items = items.iter().map(|item| evaluate(item, names));
            items.collect::<Result<_, _>>().map(Operand::List)
        }
        Node::Not(inner) => Ok(Operand::Truth(!truth(inner)?)),
        Node::And(left, right) => Ok(Operand::Truth(truth(left)? && truth(right)?)),
        Node::Or(left, right) => Ok(Operand::Truth(truth(left)? || truth(right)?)),
        Node::Compare(comparison, left, right) => {
            let (left, right) = (evaluate(left, names)?, evaluate(right, names)?);
            compare(*comparison, &left, &right).map(Operand::Truth)
        }
        Node::ToNumber(inner) => match evaluate(inner, names)? {
            Operand::Text(text) => text
                .trim()
                .parse()
                .map(Operand::Number)
                .map_err(|_| format!("{text:?} is not a number")),
            other => Ok(other),
        },
    }
}

fn compare(comparison: Comparison, left: &Operand, right: &Operand) -> Result<bool, String> {
    use std::cmp::Ordering::{Greater, Less};
    let order = || match (left, right) {
        (Operand::Number(left), Operand::Number(right)) => Ok(left.partial_cmp(right)),
        (Operand::Text(left), Operand::Text(right)) => Ok(Some(left.cmp(right))),
        _ => Err(format!("{left:?} and {right:?} have no order")),
    };
    match comparison {
        Comparison::Equal => Ok(left == right),
        Comparison::NotEqual => Ok(left != right),
        Comparison::Less => Ok(order()? == Some(Less)),
        Comparison::LessOrEqual => Ok(order()?.is_some_and(|order| order != Greater)),
        Comparison::Greater => Ok(order()? == Some(Greater)),
        Comparison::GreaterOrEqual => Ok(order()?.is_some_and(|order| order != Less)),
        Comparison::In => match right {
            Operand::List(items) => Ok(items.contains(left)),
            other => Err(format!("{other:?} is not a list")),
        },
        Comparison::Contains => match (left, right) {
            (Operand::Text(left), Operand::Text(right)) => Ok(left.contains(right.as_str())),
            _ => Err("contains compares texts".to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_compares_bare_words_numbers_and_quoted_text() {
        for (text, expected) in [
            ("heads == heads", true),
            ("heads != tails && 3 > 2", true),
            ("\"a b\" == 'a b'", true),
            ("!(true) || false", false),
            ("10 > 9", true),
            ("-1 < 0 && 1 != -1", true),
            ("b in (a, b)", true),
            ("'' == ''", true),
            ("true", true),
            ("\"1\" == 1", false),
        ] {
            assert_eq!(Expression::when(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn when_refuses_what_argo_refuses() {
        for text in [
            "a ==",
            "my-value == my-value",
            "(a == a",
            "a b",
            "1 + 1 == 2",
            "2 -1 == 1",
            "a",
            "=~",
            "'a",
        ] {
            let error = Expression::when(text).unwrap_err();
            assert!(
                error.contains("put the values into quotes"),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn depends_names_tasks_with_hyphens() {
        let depends = "a-1.Succeeded && (b_2.Failed || !c) || a-1.Skipped";
        let expression = Expression::parse_depends(depends).unwrap();
        assert_eq!(expression.task_names(), ["a-1", "b_2", "c"]);
        assert_eq!(
            expression.names(),
            ["a-1.Succeeded", "b_2.Failed", "c", "a-1.Skipped"]
        );
    }

    #[test]
    fn a_retry_expression_reads_the_last_attempt() {
        let names = |name: &str| match name {
            "lastRetry.exitCode" => Some(Operand::Text("75".to_owned())),
            "lastRetry.status" => Some(Operand::Text("Failed".to_owned())),
            _ => None,
        };
        for (text, expected) in [
            ("lastRetry.exitCode == \"75\"", true),
            (
                "asInt(lastRetry.exitCode) == 75 and lastRetry.status != 'Error'",
                true,
            ),
            ("not (lastRetry.status in ['Failed', 'Error'])", false),
            ("lastRetry.status contains 'ail'", true),
        ] {
            assert_eq!(
                Expression::parse(text).unwrap().evaluate(&names),
                Ok(expected),
                "{text}"
            );
        }
        assert!(
            Expression::parse("lastRetry.nothing == 1")
                .unwrap()
                .evaluate(&names)
                .is_err()
        );
    }

    #[test]
    fn deep_nesting_is_refused_not_a_crash() {
        let text = format!("{}a == a{}", "(".repeat(10_000), ")".repeat(10_000));
        assert!(Expression::when(&text).is_err());
    }
}
