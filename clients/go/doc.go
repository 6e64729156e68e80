// Package authnzerver is a client of authnzerver. It needs nothing but Go's standard library.
//
// A Client holds the connections to one server. Ask through Client.At, which names the end user on whose behalf it is;
// there is a method for each request, and its parameters are a struct that is named after it.
//
// Package site, beside it, is what a site needs around its own pages: sign-up to API keys, sessions, guards, and
// protection against forged forms.
package authnzerver
