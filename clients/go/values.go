package authnzerver

import "encoding/json"

// String, Int, Object and List are values of parameters that may be of two types.
type (
	// String is a text.
	String string
	// Int is a whole number.
	Int int64
	// Object has members.
	Object map[string]any
	// List is a list.
	List []any
)

// Ptr is where a value is: for parameters that may be left out or null.
func Ptr[T any](value T) *T { return &value }

// List of texts, for parameters that are lists.
func Strings(texts ...string) []any {
	list := make([]any, 0, len(texts))
	for _, text := range texts {
		list = append(list, text)
	}
	return list
}

// Nullable is a value or null, where null says something else than leaving it out.
type Nullable[T any] struct {
	// Nil is null.
	Value *T
}

// MarshalJSON writes it as the API has it.
func (nullable Nullable[T]) MarshalJSON() ([]byte, error) { return json.Marshal(nullable.Value) }

// Null says null.
func Null[T any]() *Nullable[T] { return &Nullable[T]{} }

// NotNull says a value.
func NotNull[T any](value T) *Nullable[T] { return &Nullable[T]{Value: &value} }

func filled(given, known string) string {
	if given != "" {
		return given
	}
	return known
}
