//! What objects in requests hold, where callers do not choose that themselves: for the documentation and the schema.

use crate::members;

members! {
    /// What a user changes about themselves, and an administrator about anybody.
    pub(super) PROFILE {} optional {
        /// The name as it is shown.
        full_name: str|None,
        /// The address; from then on it is another one to log in with, and counts as unproven.
        email: str,
        /// Administrators alone: whether the user may do anything at all.
        is_active: bool,
        /// Administrators alone: the user's role.
        user_role: str,
        /// Administrators alone: whether the user proved to hold the address.
        email_verified: bool,
    }
}

members! {
    /// What a calling server changes about a user.
    pub(super) ACCOUNT {} optional {
        /// The name as it is shown.
        full_name: str|None,
        /// The address.
        email: str,
        /// Whether the user may do anything at all.
        is_active: bool,
        /// The user's role.
        user_role: str,
        /// Whether the user proved to hold the address.
        email_verified: bool,
        /// Keys to set in what is noted about the user; a key whose value is "__delete__" is removed.
        extra_info: dict|None,
    }
}

members! {
    /// The claims of an API key, as they were issued; what a calling server adds for itself does not count.
    pub(super) CLAIMS {
        /// What proves that it is this key.
        tkn: str,
        /// Whose key it is.
        uid: int,
        /// The role it was issued for.
        rol: str,
    } optional {
        /// Who issued it.
        iss: str,
        /// The version of the API it is for.
        ver: str|int,
        /// The browser it was issued to; a key without a session has none.
        usa: str,
        /// Who it is for.
        aud: str,
        /// What it is for.
        sub: str|list,
        /// The address it was issued to.
        ipa: str,
        /// When it was issued.
        iat: str,
        /// From when on it may be used.
        nbf: str,
        /// When it ends.
        exp: str,
    }
}
