/*
 * An interpreter for the Alpine expressions in the theme's attributes (x-data, x-on:click, ...).
 *
 * Why it exists: Alpine evaluates attributes with the Function constructor, which needs
 * 'unsafe-eval' in the content security policy. Our policy forbids it. The theme ships Alpine's
 * standard build, and its official CSP build is not available as a Python package, so we replace
 * the evaluator through Alpine's public hook, `Alpine.setEvaluator`.
 *
 * It supports the subset of JavaScript that the theme uses: literals, names, members, calls,
 * operators, assignments, arrow functions with one parameter, and if. Anything else throws an
 * error. Names resolve to Alpine's data, or to the globals listed in PAGE_NAMES.
 */
(() => {
  "use strict";

  const PAGE_NAMES = new Set([
    "getCurrentTab", "localStorage", "moveRecords", "searchCommand", "searchDropdown", "searchForm",
    "sortRecords", "theme", "window",
  ]);
  const CLOSED_MEMBERS = new Set(["__proto__", "constructor", "prototype"]);
  const TOKEN = /\s*(?:(\d+(?:\.\d+)?)|([A-Za-z_$][\w$]*)|('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|(===|!==|=>|==|!=|<=|>=|&&|\|\||[-+*/!<>=?:;,.(){}[\]]))/y;
  const ESCAPES = { n: "\n", t: "\t" };
  const CONSTANTS = new Map([["true", true], ["false", false], ["null", null], ["undefined", undefined]]);
  // Lowest precedence first. && and || are parsed separately, since they short-circuit.
  const OPERATORS = [
    { "==": (a, b) => a == b, "!=": (a, b) => a != b, "===": (a, b) => a === b, "!==": (a, b) => a !== b },
    { "<": (a, b) => a < b, ">": (a, b) => a > b, "<=": (a, b) => a <= b, ">=": (a, b) => a >= b },
    { "+": (a, b) => a + b, "-": (a, b) => a - b },
    { "*": (a, b) => a * b, "/": (a, b) => a / b },
  ];

  function tokens(text) {
    const found = [];
    TOKEN.lastIndex = 0;
    while (text.slice(TOKEN.lastIndex).trim()) {
      const at = TOKEN.lastIndex;
      const match = TOKEN.exec(text);
      if (!match) throw new SyntaxError(`${text.slice(at).trim()} in: ${text}`);
      const [, number, name, string, sign] = match;
      if (number !== undefined) found.push({ value: Number(number) });
      else if (name !== undefined) found.push({ name });
      else if (string !== undefined) {
        found.push({ value: string.slice(1, -1).replace(/\\(.)/g, (_, c) => ESCAPES[c] ?? c) });
      } else found.push({ sign });
    }
    return found;
  }

  function memberOf(object, key) {
    if (CLOSED_MEMBERS.has(String(key))) throw new TypeError(`${key} cannot be reached from an attribute.`);
    return object[key];
  }

  function nameNode(name) {
    if (CONSTANTS.has(name)) return { get: () => CONSTANTS.get(name) };
    const holder = (scope) => {
      if (name in scope) return scope;
      if (PAGE_NAMES.has(name)) return window;
      throw new ReferenceError(`${name} is not defined.`);
    };
    return {
      get: (scope) => holder(scope)[name],
      set: (scope, value) => {
        if (!(name in scope) && name in window) throw new TypeError(`${name} is the page's own.`);
        scope[name] = value;
      },
      call: (scope, values) => holder(scope)[name].apply(holder(scope), values),
    };
  }

  function memberNode(object, key) {
    return {
      get: (scope) => memberOf(object.get(scope), key(scope)),
      set: (scope, value) => {
        memberOf(object.get(scope), key(scope));
        object.get(scope)[key(scope)] = value;
      },
      call: (scope, values) => {
        const owner = object.get(scope);
        return memberOf(owner, key(scope)).apply(owner, values);
      },
    };
  }

  function callNode(callee, values) {
    const given = (scope) => values.map((value) => value.get(scope));
    return {
      get: (scope) => (callee.call ? callee.call(scope, given(scope)) : callee.get(scope)(...given(scope))),
    };
  }

  class Reader {
    constructor(text) {
      this.text = text;
      this.tokens = tokens(text);
      this.at = 0;
    }

    peek(sign, ahead = 0) {
      return this.tokens[this.at + ahead]?.sign === sign;
    }

    take(sign) {
      if (!this.peek(sign)) return false;
      this.at += 1;
      return true;
    }

    expect(sign) {
      if (!this.take(sign)) throw new SyntaxError(`${sign} is missing in: ${this.text}`);
    }

    takeName(name) {
      if (this.tokens[this.at]?.name !== name) return false;
      this.at += 1;
      return true;
    }

    // Parses a whole attribute: statements, with the value of the last one as the result.
    program() {
      const parts = this.statements(() => this.at < this.tokens.length);
      return { get: (scope) => parts.reduce((_, part) => part.get(scope), undefined) };
    }

    statements(goOn) {
      const parts = [];
      while (goOn()) if (!this.take(";")) parts.push(this.statement());
      return parts;
    }

    statement() {
      if (!this.takeName("if")) return this.expression();
      this.expect("(");
      const condition = this.expression();
      this.expect(")");
      const then = this.branch();
      const otherwise = this.takeName("else") ? this.branch() : null;
      return { get: (scope) => (condition.get(scope) ? then : otherwise)?.get(scope) };
    }

    branch() {
      if (!this.take("{")) return this.statement();
      const parts = this.statements(() => !this.peek("}"));
      this.expect("}");
      return { get: (scope) => parts.forEach((part) => part.get(scope)) };
    }

    expression() {
      if (this.tokens[this.at]?.name && this.peek("=>", 1)) return this.arrow();
      const left = this.choice();
      if (!this.take("=")) return left;
      if (!left.set) throw new SyntaxError(`Nothing to assign to in: ${this.text}`);
      const right = this.expression();
      return {
        get: (scope) => {
          const value = right.get(scope);
          left.set(scope, value);
          return value;
        },
      };
    }

    arrow() {
      const { name } = this.tokens[this.at];
      this.at += 2;
      const body = this.expression();
      return { get: (scope) => (value) => body.get(Alpine.mergeProxies([{ [name]: value }, scope])) };
    }

    choice() {
      const condition = this.either();
      if (!this.take("?")) return condition;
      const yes = this.expression();
      this.expect(":");
      const no = this.expression();
      return { get: (scope) => (condition.get(scope) ? yes : no).get(scope) };
    }

    either() {
      let left = this.both();
      while (this.take("||")) {
        const [first, second] = [left, this.both()];
        left = { get: (scope) => first.get(scope) || second.get(scope) };
      }
      return left;
    }

    both() {
      let left = this.binary(0);
      while (this.take("&&")) {
        const [first, second] = [left, this.binary(0)];
        left = { get: (scope) => first.get(scope) && second.get(scope) };
      }
      return left;
    }

    binary(level) {
      if (level === OPERATORS.length) return this.unary();
      let left = this.binary(level + 1);
      for (;;) {
        const operate = OPERATORS[level][this.tokens[this.at]?.sign];
        if (!operate) return left;
        this.at += 1;
        const [first, second] = [left, this.binary(level + 1)];
        left = { get: (scope) => operate(first.get(scope), second.get(scope)) };
      }
    }

    unary() {
      if (this.take("!")) {
        const value = this.unary();
        return { get: (scope) => !value.get(scope) };
      }
      if (this.take("-")) {
        const value = this.unary();
        return { get: (scope) => -value.get(scope) };
      }
      return this.postfix();
    }

    postfix() {
      let node = this.primary();
      for (;;) {
        if (this.take(".")) {
          const { name } = this.tokens[this.at++];
          node = memberNode(node, () => name);
        } else if (this.take("[")) {
          const key = this.expression();
          this.expect("]");
          node = memberNode(node, (scope) => key.get(scope));
        } else if (this.take("(")) {
          node = callNode(node, this.list(")"));
        } else return node;
      }
    }

    list(end) {
      const items = [];
      while (!this.take(end)) {
        items.push(this.expression());
        if (!this.peek(end)) this.expect(",");
      }
      return items;
    }

    primary() {
      if (this.take("(")) {
        const inside = this.expression();
        this.expect(")");
        return { get: inside.get };
      }
      if (this.take("[")) {
        const items = this.list("]");
        return { get: (scope) => items.map((item) => item.get(scope)) };
      }
      if (this.take("{")) return this.object();
      const token = this.tokens[this.at++];
      if (token && "value" in token) return { get: () => token.value };
      if (token?.name) return nameNode(token.name);
      throw new SyntaxError(`Cannot be read: ${this.text}`);
    }

    object() {
      const members = [];
      while (!this.take("}")) {
        const key = this.tokens[this.at++];
        this.expect(":");
        members.push([key.name ?? key.value, this.expression()]);
        if (!this.peek("}")) this.expect(",");
      }
      return { get: (scope) => Object.fromEntries(members.map(([key, value]) => [key, value.get(scope)])) };
    }
  }

  const programs = new Map();

  function programOf(text) {
    if (!programs.has(text)) programs.set(text, new Reader(text).program());
    return programs.get(text);
  }

  function give(receiver, value, scope, params) {
    const result = typeof value === "function" ? value.apply(scope, params) : value;
    if (result instanceof Promise) result.then(receiver);
    else receiver(result);
  }

  function evaluator(el, expression) {
    const stack = [{ $el: el }, ...Alpine.closestDataStack(el)];
    return (receiver = () => {}, { scope = {}, params = [] } = {}) => {
      const names = Alpine.mergeProxies([scope, ...stack]);
      try {
        if (typeof expression === "function") give(receiver, expression.apply(names, params), names, params);
        else give(receiver, programOf(expression).get(names), names, params);
      } catch (error) {
        console.error(`In the attribute ${expression}:`, error, el);
      }
    };
  }

  // Alpine sets string styles through the attribute, which the policy forbids. The policy allows
  // setting them through the object model.
  const { setAttribute } = Element.prototype;
  Element.prototype.setAttribute = function set(name, value) {
    if (name === "style") this.style.cssText = value;
    else setAttribute.call(this, name, value);
  };

  document.addEventListener("alpine:init", () => Alpine.setEvaluator(evaluator));
  // Stop htmx from adding a style element and from evaluating attributes: the policy forbids both.
  htmx.config.includeIndicatorStyles = false;
  htmx.config.allowEval = false;
})();
