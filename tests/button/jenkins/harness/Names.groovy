/** Bare names in the script: env, params, currentBuild, and environment variables. */
class Names extends Binding {
    Jenkins jenkins

    Object getVariable(String name) {
        switch (name) {
            case 'jenkins': return jenkins
            case 'env': return new Env(jenkins: jenkins)
            case 'params': return Collections.unmodifiableMap(jenkins.params)
            case 'currentBuild': return jenkins.currentBuild
        }
        Map known = jenkins.environment()
        if (known.containsKey(name)) {
            return known[name]
        }
        throw new MissingPropertyException("No such property: ${name}", name, Script)
    }

    boolean hasVariable(String name) {
        name in ['jenkins', 'env', 'params', 'currentBuild'] || jenkins.environment().containsKey(name)
    }
}
