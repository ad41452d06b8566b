import com.cloudbees.groovy.cps.SerializableScript

/**
 * Base class of the compiled Jenkinsfile, as CpsScript is in Jenkins: what is neither a method nor a variable of the
 * file itself is a step or a global variable.
 */
abstract class Pipeline extends SerializableScript {
    private static final long serialVersionUID = 1L
    Jenkins jenkins

    @Override
    Object invokeMethod(String name, Object args) { jenkins.call(this, name, args as List) }

    @Override
    Object getProperty(String name) { jenkins?.isKnown(name) ? jenkins.variable(name) : super.getProperty(name) }
}
