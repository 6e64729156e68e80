package authnzerver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"time"
)

// Times of the API are in UTC and do not say so.
const timeLayout = "2006-01-02T15:04:05"

var (
	timeType = reflect.TypeOf(time.Time{})
	rawType  = reflect.TypeOf(json.RawMessage{})
)

// decodeRecord reads JSON into a struct, whose fields all have to be there and of the type that the struct says. Package
// json alone would leave a field empty where a key is missing, null, or spelled in capitals. Other keys are left aside,
// so that a newer server may add some.
func decodeRecord(raw json.RawMessage, record reflect.Value) error {
	name := record.Type().Name()
	members, ok := decodeObject(raw)
	if !ok {
		return fmt.Errorf("%s is no object", name)
	}
	for place := 0; place < record.NumField(); place++ {
		field := record.Type().Field(place)
		if field.Anonymous {
			continue
		}
		key := field.Tag.Get("json")
		member, ok := members[key]
		if !ok {
			return fmt.Errorf("%s lacks %s", name, key)
		}
		if isNull(member) && field.Tag.Get("null") == "true" {
			continue
		}
		if err := decodeValue(member, record.Field(place)); err != nil {
			return fmt.Errorf("%s of %s: %w", key, name, err)
		}
	}
	return nil
}

func decodeValue(raw json.RawMessage, value reflect.Value) error {
	switch {
	case value.Type() == rawType:
		value.SetBytes(raw)
		return nil
	case value.Kind() == reflect.Pointer:
		if isNull(raw) {
			return nil
		}
		value.Set(reflect.New(value.Type().Elem()))
		return decodeValue(raw, value.Elem())
	case isNull(raw):
		return errors.New("it is null")
	case value.Type() == timeType:
		var text string
		if json.Unmarshal(raw, &text) != nil {
			return errors.New("no text")
		}
		parsed, err := time.ParseInLocation(timeLayout, text, time.UTC)
		if err != nil {
			return errors.New("no time")
		}
		value.Set(reflect.ValueOf(parsed))
		return nil
	}
	switch value.Kind() {
	case reflect.Struct:
		return decodeRecord(raw, value)
	case reflect.Slice:
		return decodeList(raw, value)
	case reflect.Int64:
		number, err := strconv.ParseInt(string(raw), 10, 64)
		if err != nil {
			return errors.New("no whole number")
		}
		value.SetInt(number)
		return nil
	}
	if json.Unmarshal(raw, value.Addr().Interface()) != nil {
		return fmt.Errorf("no %s", value.Kind())
	}
	return nil
}

func decodeList(raw json.RawMessage, list reflect.Value) error {
	var parts []json.RawMessage
	if json.Unmarshal(raw, &parts) != nil {
		return errors.New("no list")
	}
	list.Set(reflect.MakeSlice(list.Type(), len(parts), len(parts)))
	for place, part := range parts {
		if err := decodeValue(part, list.Index(place)); err != nil {
			return err
		}
	}
	return nil
}

func decodeObject(raw json.RawMessage) (map[string]json.RawMessage, bool) {
	var members map[string]json.RawMessage
	err := json.Unmarshal(raw, &members)
	return members, err == nil && members != nil
}

func isNull(raw json.RawMessage) bool { return bytes.Equal(raw, []byte("null")) }
