/** Takes down what a block says, and does nothing. */
class Directives {
    private static final Set VALUES = ['logRotator'] as Set
    final List<Map> entries = []
    final Map assigned = [:]
    private final Script script

    Directives(Script script) { this.script = script }

    Object methodMissing(String name, Object args) {
        Map entry = [name: name, args: args as List]
        if (!(name in VALUES)) {
            entries << entry
        }
        entry
    }

    Object propertyMissing(String name) {
        name in ['none', 'any'] ? name : script.binding.getVariable(name)
    }

    void propertyMissing(String name, Object value) { assigned[name] = value.toString() }
}
